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
# Copy the id of a model and of a dataset:
# the next tab needs both.
#
# None yet? The documentation has registerModel,
# and requestDatasetUpload for a file.

query WhatIsHere {
  models(first: 10) {
    edges {
      node {
        id
        name
        version
      }
    }
  }
  datasets(first: 10) {
    edges {
      node {
        id
        name
        status
        rows
        columns {
          name
          type
          roleHints
        }
      }
    }
  }
}
`;

const START = `# Ask for a bias analysis: is one group
# approved less often than another?
#
# Put the ids of the model and of the dataset
# into the variables below. The answer comes
# at once, without a report: copy its id,
# the next tabs need it.

mutation StartAnalysis($input: NewAnalysisInput!) {
  startAnalysis(input: $input) {
    id
    status
  }
}
`;

const FOLLOW = `# Follow the analysis to its end. Put its id
# into the variables below.
#
# The result is always the latest event. It
# works as well when all is over: the events
# are stored, and told again from the start.

subscription FollowAnalysis($id: ID!) {
  analysisProgress(id: $id) {
    number
    status
    fraction
    message
    interim
    finding {
      description
      verdict
    }
  }
}
`;

const READ = `# The finished report: the verdict, what it
# means, what would help and by how much; then
# what was measured, how sure that is, and why
# the verdict follows. The id is the analysis's.

query ReadReport($id: ID!) {
  analysis(id: $id) {
    status
    error
    report {
      summary
      verdict
      riskAssessment {
        risk
        urgency
        factors
      }
      recommendations {
        title
        text
        effects {
          name
          before
          after
          afterInterval {
            low
            high
          }
        }
        settings
      }
      attributes {
        attribute
        groups {
          name
          size
          judged
          metrics {
            quantity
            value
            interval {
              low
              high
            }
          }
        }
        findings {
          metric
          value
          interval {
            low
            high
          }
          threshold
          verdict
          reason
        }
      }
      intersections {
        attribute
        findings {
          metric
          value
          interval {
            low
            high
          }
          verdict
        }
      }
    }
  }
}
`;

const ASKED = {
  input: {
    modelId: "",
    datasetId: "",
    type: "COMPREHENSIVE",
    columns: {
      label: "approved",
      prediction: "predicted",
      score: "score",
      protected: ["race", "sex"],
      features: [],
    },
  },
};

export const STARTERS: readonly Starter[] = [
  { query: WHO_AM_I },
  { query: WHAT_IS_HERE },
  { query: START, variables: JSON.stringify(ASKED, null, 2) },
  { query: FOLLOW, variables: JSON.stringify({ id: "" }, null, 2) },
  { query: READ, variables: JSON.stringify({ id: "" }, null, 2) },
];
