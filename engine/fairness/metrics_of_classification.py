"""The metrics of decisions and scores."""

from collections.abc import Mapping
from types import MappingProxyType

from engine.fairness.metric import AnalysisType, Form, Metric, MetricSpec
from engine.fairness.quantity import Quantity

_PARITY = (AnalysisType.DEMOGRAPHIC_PARITY,)
_ODDS = (AnalysisType.EQUALIZED_ODDS,)
_INDIVIDUAL = (AnalysisType.INDIVIDUAL_FAIRNESS,)

OF_CLASSIFICATION: Mapping[Metric, MetricSpec] = MappingProxyType(
    {
        Metric.DEMOGRAPHIC_PARITY_DIFFERENCE: MetricSpec(
            of=(Quantity.SELECTION_RATE,),
            form=Form.DIFFERENCE,
            answers=_PARITY,
            fair=0.0,
            limit=0.1,
            title="demographic parity difference",
            meaning="how much more often the most favoured group is selected than the least favoured one",
        ),
        Metric.DEMOGRAPHIC_PARITY_RATIO: MetricSpec(
            of=(Quantity.SELECTION_RATE,),
            form=Form.RATIO,
            answers=_PARITY,
            fair=1.0,
            limit=0.8,  # the four-fifths rule, 29 CFR 1607.4(D); lowest over highest covers the band 0.8..1.25
            title="demographic parity ratio",
            meaning="the selection rate of the least favoured group as a share of the most favoured one's",
        ),
        Metric.DISPARATE_IMPACT: MetricSpec(
            of=(Quantity.SELECTION_RATE,),
            form=Form.AGAINST_REFERENCE,
            answers=_PARITY,
            fair=1.0,
            limit=0.8,
            title="disparate impact",
            meaning="the selection rate of the least favoured other group as a share of the reference group's",
        ),
        Metric.CONDITIONAL_DEMOGRAPHIC_DISPARITY: MetricSpec(
            of=(Quantity.CONDITIONAL_DISPARITY,),
            form=Form.LARGEST,
            answers=_PARITY,
            fair=0.0,
            limit=0.1,
            title="conditional demographic disparity",
            meaning="how much larger a group's share of the unselected is than its share of the selected,"
            " compared within strata",
        ),
        Metric.EQUALIZED_ODDS_DIFFERENCE: MetricSpec(
            of=(Quantity.TRUE_POSITIVE_RATE, Quantity.FALSE_POSITIVE_RATE),
            form=Form.DIFFERENCE,
            answers=_ODDS,
            fair=0.0,
            limit=0.1,
            title="equalized odds difference",
            meaning="the larger of the gaps in true positive rate and in false positive rate between groups",
        ),
        Metric.AVERAGE_ODDS_DIFFERENCE: MetricSpec(
            of=(Quantity.TRUE_POSITIVE_RATE, Quantity.FALSE_POSITIVE_RATE),
            form=Form.AVERAGE,
            answers=_ODDS,
            fair=0.0,
            limit=0.1,
            title="average odds difference",
            meaning="the mean of the gaps in true positive rate and in false positive rate between groups",
        ),
        Metric.EQUALIZED_ODDS_RATIO: MetricSpec(
            of=(Quantity.TRUE_POSITIVE_RATE, Quantity.FALSE_POSITIVE_RATE),
            form=Form.RATIO,
            answers=_ODDS,
            fair=1.0,
            limit=0.8,
            title="equalized odds ratio",
            meaning="the smaller of the ratios, lowest over highest, of the true and of the false positive rates",
        ),
        Metric.EQUAL_OPPORTUNITY_DIFFERENCE: MetricSpec(
            of=(Quantity.TRUE_POSITIVE_RATE,),
            form=Form.DIFFERENCE,
            answers=_ODDS,
            fair=0.0,
            limit=0.1,
            title="equal opportunity difference",
            meaning="the gap between groups in how often a favourable label is predicted as such",
        ),
        Metric.FALSE_POSITIVE_RATE_DIFFERENCE: MetricSpec(
            of=(Quantity.FALSE_POSITIVE_RATE,),
            form=Form.DIFFERENCE,
            answers=_ODDS,
            fair=0.0,
            limit=0.1,
            title="false positive rate difference",
            meaning="the gap between groups in how often an unfavourable label is predicted as favourable",
        ),
        Metric.PREDICTIVE_PARITY_DIFFERENCE: MetricSpec(
            of=(Quantity.PRECISION,),
            form=Form.DIFFERENCE,
            answers=(),
            fair=0.0,
            limit=0.1,
            title="predictive parity difference",
            meaning="the gap between groups in how often a favourable prediction is right",
        ),
        Metric.FALSE_OMISSION_RATE_DIFFERENCE: MetricSpec(
            of=(Quantity.FALSE_OMISSION_RATE,),
            form=Form.DIFFERENCE,
            answers=(),
            fair=0.0,
            limit=0.1,
            title="false omission rate difference",
            meaning="the gap between groups in how often an unfavourable prediction is wrong",
        ),
        Metric.TREATMENT_EQUALITY_RATIO: MetricSpec(
            of=(Quantity.TREATMENT_RATIO,),
            form=Form.RATIO,
            answers=(),
            fair=1.0,
            limit=0.8,
            title="treatment equality ratio",
            meaning="how alike the groups' errors divide into false negatives and false positives",
        ),
        Metric.ACCURACY_DIFFERENCE: MetricSpec(
            of=(Quantity.ACCURACY,),
            form=Form.DIFFERENCE,
            answers=(),
            fair=0.0,
            limit=0.1,
            title="accuracy difference",
            meaning="the gap between groups in how often the prediction is right",
        ),
        Metric.BALANCED_ACCURACY_DIFFERENCE: MetricSpec(
            of=(Quantity.BALANCED_ACCURACY,),
            form=Form.DIFFERENCE,
            answers=(),
            fair=0.0,
            limit=0.1,
            title="balanced accuracy difference",
            meaning="the gap between groups in how often each class is predicted rightly, on average over classes",
        ),
        # the limits of the four metrics of scores are ours: half of, or as much as, the usual one of a rate
        Metric.AUC_DIFFERENCE: MetricSpec(
            of=(Quantity.AUC,),
            form=Form.DIFFERENCE,
            answers=_ODDS,
            fair=0.0,
            limit=0.1,
            title="AUC difference",
            meaning="the gap between groups in how well scores tell favourable from unfavourable labels",
        ),
        Metric.ABROCA: MetricSpec(
            of=(Quantity.ROC_CURVE,),
            form=Form.DISTANCE,
            answers=_ODDS,
            fair=0.0,
            limit=0.1,
            title="area between ROC curves",
            meaning="how far the groups' ROC curves lie apart, averaged over all false positive rates",
        ),
        Metric.CALIBRATION_DIFFERENCE: MetricSpec(
            of=(Quantity.CALIBRATION_ERROR,),
            form=Form.DIFFERENCE,
            answers=(),
            fair=0.0,
            limit=0.05,
            title="calibration difference",
            meaning="the gap between groups in how far scores are from the share of favourable labels they promise",
        ),
        Metric.BRIER_SCORE_DIFFERENCE: MetricSpec(
            of=(Quantity.BRIER_SCORE,),
            form=Form.DIFFERENCE,
            answers=(),
            fair=0.0,
            limit=0.05,
            title="Brier score difference",
            meaning="the gap between groups in the mean squared difference of score and label",
        ),
        # the limits of the metrics of recommendations are ours: four fifths for ratios, 0.1 for differences
        Metric.GENERALIZED_ENTROPY_INDEX: MetricSpec(
            of=(Quantity.GENERALIZED_ENTROPY,),
            form=Form.SCORE,
            answers=_INDIVIDUAL,
            fair=0.0,
            limit=0.2,
            title="generalized entropy index",
            meaning="how unequally benefits, 1 + prediction - label, are spread over rows",
        ),
        Metric.THEIL_INDEX: MetricSpec(
            of=(Quantity.THEIL,),
            form=Form.SCORE,
            answers=_INDIVIDUAL,
            fair=0.0,
            limit=0.2,
            title="Theil index",
            meaning="how unequally benefits, 1 + prediction - label, are spread over rows",
        ),
        Metric.CONSISTENCY: MetricSpec(
            of=(),
            form=Form.SCORE,
            answers=_INDIVIDUAL,
            fair=1.0,
            limit=0.9,
            title="consistency",
            meaning="how alike rows with similar features are decided",
        ),
        Metric.LIPSCHITZ_VIOLATIONS: MetricSpec(
            of=(),
            form=Form.SCORE,
            answers=_INDIVIDUAL,
            fair=0.0,
            limit=0.1,  # ours, as strict as that of the consistency
            title="share of Lipschitz violations",
            meaning="how often a row and a near one have outcomes that differ by more than their distance allows",
        ),
        # the limits for regressions are ours: gaps as for rates, where the unit is the standard deviation of the
        # label and 0.2 is called a small effect (Cohen 1988), and ratios as the four-fifths rule
    }
)
