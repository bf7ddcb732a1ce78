"""What a metric is: its name, its form, which end of its scale is fair, and how far from it is acceptable."""

from dataclasses import dataclass
from enum import StrEnum

from engine.fairness.quantity import Quantity
from engine.values import ModelType


class AnalysisType(StrEnum):
    """Which question of fairness is asked."""

    DEMOGRAPHIC_PARITY = "demographic_parity"
    """Are the groups selected alike, whatever their labels?"""
    EQUALIZED_ODDS = "equalized_odds"
    """Is the model right and wrong alike in all groups?"""
    INDIVIDUAL_FAIRNESS = "individual_fairness"
    """Are similar rows decided alike? Needs feature columns."""
    COMPREHENSIVE = "comprehensive"
    """All of these, and the groups that arise where the protected attributes cross."""


class Metric(StrEnum):
    """Name of a metric, as stored, as logged and as seen in the API."""

    DEMOGRAPHIC_PARITY_DIFFERENCE = "demographic_parity_difference"
    """Highest selection rate minus the lowest: 0 when every group is selected alike, 1 at worst."""
    DEMOGRAPHIC_PARITY_RATIO = "demographic_parity_ratio"
    """Lowest selection rate over the highest: 1 at parity; below 0.8 fails the four-fifths rule."""
    DISPARATE_IMPACT = "disparate_impact"
    """Lowest selection rate over that of the reference group: above 1 where the reference is the lowest."""
    CONDITIONAL_DEMOGRAPHIC_DISPARITY = "conditional_demographic_disparity"
    """Largest surplus of a group among the unselected over its share of the selected, within strata: 0 is fair."""
    EQUALIZED_ODDS_DIFFERENCE = "equalized_odds_difference"
    """The larger of the gaps in true positive rate and in false positive rate: 0 is fair, 1 is worst."""
    AVERAGE_ODDS_DIFFERENCE = "average_odds_difference"
    """The mean of the gaps in true positive rate and in false positive rate: 0 is fair, 1 is worst."""
    EQUALIZED_ODDS_RATIO = "equalized_odds_ratio"
    """The smaller of lowest over highest true positive rate and the same of the false positive rate."""
    EQUAL_OPPORTUNITY_DIFFERENCE = "equal_opportunity_difference"
    """Highest true positive rate minus the lowest: 0 when the deserving are served alike."""
    FALSE_POSITIVE_RATE_DIFFERENCE = "false_positive_rate_difference"
    """Highest false positive rate minus the lowest: 0 when the undeserving are favoured alike."""
    PREDICTIVE_PARITY_DIFFERENCE = "predictive_parity_difference"
    """Highest precision minus the lowest; the gap in false discovery rate is the same number."""
    FALSE_OMISSION_RATE_DIFFERENCE = "false_omission_rate_difference"
    """Highest false omission rate minus the lowest: 0 when a refusal is wrong equally often."""
    TREATMENT_EQUALITY_RATIO = "treatment_equality_ratio"
    """Lowest over highest ratio of false negatives to false positives: 1 when the two kinds of error balance alike."""
    ACCURACY_DIFFERENCE = "accuracy_difference"
    """Highest accuracy minus the lowest."""
    BALANCED_ACCURACY_DIFFERENCE = "balanced_accuracy_difference"
    """Highest balanced accuracy minus the lowest."""
    AUC_DIFFERENCE = "auc_difference"
    """Highest AUC minus the lowest: 0 when scores order the people of every group equally well."""
    ABROCA = "abroca"
    """Largest area between the ROC curves of two groups: 0 when they agree at every threshold, at most 1."""
    CALIBRATION_DIFFERENCE = "calibration_difference"
    """Highest expected calibration error minus the lowest: 0 when scores are equally honest about every group."""
    BRIER_SCORE_DIFFERENCE = "brier_score_difference"
    """Highest Brier score minus the lowest."""
    CLUSTER_BALANCE = "cluster_balance"
    """Smallest ratio of the rows of two groups in a cluster, over that of all rows: 1 is the best in any data."""
    CLUSTER_REPRESENTATION_RATIO = "cluster_representation_ratio"
    """Smallest ratio, or its inverse, of a group's share of a cluster to its share of all rows: 1 is fair."""
    CLUSTER_COMPOSITION_DISTANCE = "cluster_composition_distance"
    """Largest total variation distance of two groups' distributions over clusters: 0 is fair, 1 is worst."""
    SOCIAL_COST_RATIO = "social_cost_ratio"
    """Lowest over highest mean distance of a group to the centres of its clusters: 1 is fair."""
    EXPOSURE_PARITY_RATIO = "exposure_parity_ratio"
    """Lowest over highest share of exposure relative to the share of the catalogue: 1 when items are shown alike."""
    EXPOSURE_TO_RELEVANCE_RATIO = "exposure_to_relevance_ratio"
    """Lowest over highest exposure for each unit of relevance: 1 when items of all groups get what they merit."""
    ITEM_DISTRIBUTION_DISTANCE = "item_distribution_distance"
    """Largest Jensen-Shannon distance of what two groups of users are shown: 0 is fair, 1 nothing in common."""
    NDCG_DIFFERENCE = "ndcg_difference"
    """Highest mean nDCG at k of a group of users minus the lowest: 0 when all are served equally well."""
    GENERALIZED_ENTROPY_INDEX = "generalized_entropy_index"
    """Inequality of benefits over all rows, alpha 2: 0 when everyone gets what the label says."""
    THEIL_INDEX = "theil_index"
    """Inequality of benefits over all rows, alpha 1: 0 when everyone gets what the label says."""
    CONSISTENCY = "consistency"
    """How alike similar rows are decided: 1 when each row is decided like its nearest neighbours."""
    LIPSCHITZ_VIOLATIONS = "lipschitz_violations"
    """Share of pairs of near rows whose outcomes differ by more than their distance allows: 0 is fair."""
    MEAN_PREDICTION_DIFFERENCE = "mean_prediction_difference"
    """Highest mean prediction minus the lowest, in standard deviations of the label over all rows."""
    KOLMOGOROV_SMIRNOV_DISTANCE = "kolmogorov_smirnov_distance"
    """Largest gap between two groups in the share of predictions above a threshold, over all thresholds."""
    WASSERSTEIN_DISTANCE = "wasserstein_distance"
    """Largest area between two groups' distributions of predictions, in standard deviations of the label."""
    MEAN_ERROR_DIFFERENCE = "mean_error_difference"
    """Highest mean error minus the lowest, in standard deviations of the label: 0 when none is favoured."""
    MEAN_ABSOLUTE_ERROR_DIFFERENCE = "mean_absolute_error_difference"
    """Highest mean absolute error minus the lowest, in standard deviations of the label over all rows."""
    MEAN_ABSOLUTE_ERROR_RATIO = "mean_absolute_error_ratio"
    """Lowest mean absolute error over the highest: 1 when predictions are as near for every group."""
    ROOT_MEAN_SQUARED_ERROR_RATIO = "root_mean_squared_error_ratio"
    """Lowest root mean squared error over the highest: 1 when predictions are as near for every group."""
    R2_DIFFERENCE = "r2_difference"
    """Highest R2 minus the lowest: 0 when predictions explain as much of the label in every group."""


class Form(StrEnum):
    """How the quantities of several groups become one number."""

    DIFFERENCE = "difference"
    """Highest minus lowest; with several quantities, the largest of their gaps."""
    AVERAGE = "average"
    """The mean of the differences of several quantities."""
    RATIO = "ratio"
    """Lowest over highest; with several quantities, the smallest."""
    AGAINST_REFERENCE = "against_reference"
    """Lowest over that of the reference group."""
    LARGEST = "largest"
    """The largest value of a group."""
    DISTANCE = "distance"
    """The largest distance between the curves of two groups."""
    BALANCE = "balance"
    """The smallest ratio of the counts of two groups in a part, over that of all parts together (Chierichetti)."""
    REPRESENTATION = "representation"
    """The smallest ratio, or its inverse, of a group's share of a part to its share of all parts (Bera)."""
    SCORE = "score"
    """No groups: a number of the whole data."""


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """What a metric compares, which end of its scale is fair, and how far from it is acceptable."""

    of: tuple[Quantity, ...]
    form: Form
    answers: tuple[AnalysisType, ...]
    """The questions it answers, besides the comprehensive one, which every metric does."""
    fair: float
    """Value under exact fairness: 0 for differences, 1 for ratios and scores of likeness."""
    limit: float
    """Default furthest acceptable value; BiasOptions may override it."""
    title: str
    meaning: str
    """One sentence for a person who knows no statistics."""
    model: ModelType = ModelType.CLASSIFICATION
    """The kind of model it is made for."""
