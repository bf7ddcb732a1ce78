"""Models as files: recognised by content, read without running what they carry, scored in a child."""
