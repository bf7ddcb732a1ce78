/** The tabs a newcomer finds, in the order in which they make sense. Plain documents; a tab is named by its operation. */

export interface Starter {
  query: string;
  variables?: string;
}

const WHO_AM_I = `# Welcome. Ctrl+Enter runs this (on a Mac
# Cmd+Enter), and so does the blue button.
#
# The next tabs follow one analysis,
# from the data to the report.
#
# The book at the far left opens the
# documentation; Ctrl+Space completes.

query WhoAmI {
  me {
    email
    role
    permissions
  }
  organization {
    name
  }
}
`;

const WHAT_IS_HERE = `# The models and datasets of your organization.
# Copy a dataset's id: the next tab needs it.

query WhatIsHere {
  models(first: 10) {
    edges {
      node {
        id
        name
      }
    }
  }
  datasets(first: 10) {
    edges {
      node {
        id
        name
        rowCount
      }
    }
  }
}
`;

const START = `# Ask for a bias analysis of a dataset.
# Put the dataset's id into the variables below.
#
# The answer comes at once, without a report:
# copy its id, the next tabs need it.

mutation StartAnalysis($dataset: ID!) {
  startAnalysis(datasetId: $dataset) {
    id
    status
  }
}
`;

const FOLLOW = `# Follow an analysis while it runs. Put its id
# into the variables below.
#
# The result is always the latest event.
# The button stops listening.

subscription FollowAnalysis($id: ID!) {
  analysisProgress(id: $id) {
    number
    stage
    fraction
    message
  }
}
`;

const READ = `# The finished report: what was measured,
# against which limit, and the verdict.

query ReadReport($id: ID!) {
  node(id: $id) {
    ... on Analysis {
      status
      report {
        findings {
          metric
          value
          limit
          verdict
        }
      }
    }
  }
}
`;

export const STARTERS: readonly Starter[] = [
  { query: WHO_AM_I },
  { query: WHAT_IS_HERE },
  { query: START, variables: `{\n  "dataset": ""\n}` },
  { query: FOLLOW, variables: `{\n  "id": ""\n}` },
  { query: READ, variables: `{\n  "id": ""\n}` },
];
