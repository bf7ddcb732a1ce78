"""Why a model decides so: attributions that are exact where they can be, and say so where they are not."""
