"""Which types of a skops file are opened: the server's list, never the file's.

To open another estimator: add its name to OPENED, or to VETTED where an organization should decide, and a test that
it opens. Never add a type that imports, runs or writes anything, or whose native code reads arrays that
`sklearn_sound.py` does not check.
"""

from collections.abc import Mapping


def _names(modules: Mapping[str, str]) -> frozenset[str]:
    return frozenset(f"{module}.{name}" for module, names in modules.items() for name in names.split())


FUNCTION_TRANSFORMER = "sklearn.preprocessing._function_transformer.FunctionTransformer"

OPENED = _names(
    {
        "sklearn.calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
        "sklearn.compose._column_transformer": "ColumnTransformer",
        "sklearn.compose._target": "TransformedTargetRegressor",
        "sklearn.cross_decomposition._pls": "PLSRegression",
        "sklearn.decomposition._factor_analysis": "FactorAnalysis",
        "sklearn.decomposition._fastica": "FastICA",
        "sklearn.decomposition._incremental_pca": "IncrementalPCA",
        "sklearn.decomposition._nmf": "NMF",
        "sklearn.decomposition._pca": "PCA",
        "sklearn.decomposition._truncated_svd": "TruncatedSVD",
        "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
        "sklearn.dummy": "DummyClassifier DummyRegressor",
        "sklearn.ensemble._bagging": "BaggingClassifier BaggingRegressor",
        "sklearn.ensemble._forest": "ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier RandomForestRegressor",
        "sklearn.ensemble._gb": "GradientBoostingClassifier GradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.binning": "_BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": "HistGradientBoostingClassifier "
        "HistGradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
        "sklearn.ensemble._stacking": "StackingClassifier StackingRegressor",
        "sklearn.ensemble._voting": "VotingClassifier VotingRegressor",
        "sklearn.ensemble._weight_boosting": "AdaBoostClassifier AdaBoostRegressor",
        "sklearn.feature_selection._from_model": "SelectFromModel",
        "sklearn.feature_selection._rfe": "RFE RFECV",
        "sklearn.feature_selection._sequential": "SequentialFeatureSelector",
        "sklearn.feature_selection._univariate_selection": "GenericUnivariateSelect SelectFdr SelectFpr SelectFwe "
        "SelectKBest SelectPercentile",
        "sklearn.feature_selection._variance_threshold": "VarianceThreshold",
        "sklearn.frozen._frozen": "FrozenEstimator",
        "sklearn.impute._base": "MissingIndicator SimpleImputer",
        "sklearn.impute._knn": "KNNImputer",
        "sklearn.isotonic": "IsotonicRegression",
        "sklearn.kernel_approximation": "RBFSampler",
        "sklearn.linear_model._base": "LinearRegression",
        "sklearn.linear_model._bayes": "ARDRegression BayesianRidge",
        "sklearn.linear_model._coordinate_descent": "ElasticNet ElasticNetCV Lasso LassoCV",
        "sklearn.linear_model._glm.glm": "GammaRegressor PoissonRegressor TweedieRegressor",
        "sklearn.linear_model._huber": "HuberRegressor",
        "sklearn.linear_model._least_angle": "Lars LarsCV LassoLars LassoLarsCV LassoLarsIC",
        "sklearn.linear_model._logistic": "LogisticRegression LogisticRegressionCV",
        "sklearn.linear_model._omp": "OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV",
        "sklearn.linear_model._passive_aggressive": "PassiveAggressiveClassifier PassiveAggressiveRegressor",
        "sklearn.linear_model._perceptron": "Perceptron",
        "sklearn.linear_model._quantile": "QuantileRegressor",
        "sklearn.linear_model._ransac": "RANSACRegressor",
        "sklearn.linear_model._ridge": "Ridge RidgeCV RidgeClassifier RidgeClassifierCV",
        "sklearn.linear_model._stochastic_gradient": "SGDClassifier SGDRegressor",
        "sklearn.linear_model._theil_sen": "TheilSenRegressor",
        "sklearn.model_selection._classification_threshold": "FixedThresholdClassifier TunedThresholdClassifierCV",
        "sklearn.multiclass": "OneVsOneClassifier OneVsRestClassifier _ConstantPredictor",
        "sklearn.naive_bayes": "BernoulliNB CategoricalNB ComplementNB GaussianNB MultinomialNB",
        "sklearn.neighbors._classification": "KNeighborsClassifier",
        "sklearn.neighbors._nearest_centroid": "NearestCentroid",
        "sklearn.neighbors._regression": "KNeighborsRegressor",
        "sklearn.neural_network._multilayer_perceptron": "MLPClassifier MLPRegressor",
        "sklearn.pipeline": "FeatureUnion Pipeline",
        "sklearn.preprocessing._data": "Binarizer MaxAbsScaler MinMaxScaler Normalizer PowerTransformer "
        "QuantileTransformer RobustScaler StandardScaler",
        "sklearn.preprocessing._discretization": "KBinsDiscretizer",
        "sklearn.preprocessing._encoders": "OneHotEncoder OrdinalEncoder",
        "sklearn.preprocessing._function_transformer": "FunctionTransformer",  # its functions are held to FUNCTIONS
        "sklearn.preprocessing._label": "LabelBinarizer LabelEncoder",
        "sklearn.preprocessing._polynomial": "PolynomialFeatures SplineTransformer",
        "sklearn.preprocessing._target_encoder": "TargetEncoder",
        "sklearn.svm._classes": "LinearSVC LinearSVR NuSVC NuSVR SVC SVR",
        "sklearn.tree._classes": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
        "sklearn._loss.link": "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit",
        "sklearn._loss.loss": "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss "
        "HalfPoissonLoss HalfSquaredError HalfTweedieLoss HalfTweedieLossIdentity HuberLoss PinballLoss",
        "scipy.interpolate._bsplines": "BSpline",
    }
)
"""Objects that are opened for everybody: what scikit-learn pipelines over tables are made of."""

VETTED: Mapping[str, str] = {
    **dict.fromkeys(
        sorted(
            _names(
                {
                    "sklearn.feature_extraction.text": "CountVectorizer HashingVectorizer TfidfTransformer TfidfVectorizer"
                }
            )
        ),
        "splits texts by a regular expression out of the file, which may take until the time limit; runs nothing else",
    ),
    **dict.fromkeys(
        sorted(
            _names(
                {
                    "sklearn.gaussian_process._gpc": "GaussianProcessClassifier "
                    "_BinaryGaussianProcessClassifierLaplace",
                    "sklearn.gaussian_process._gpr": "GaussianProcessRegressor",
                    "sklearn.gaussian_process.kernels": "CompoundKernel ConstantKernel DotProduct ExpSineSquared "
                    "Exponentiation Matern Product RBF RationalQuadratic Sum WhiteKernel",
                    "sklearn.kernel_ridge": "KernelRidge",
                }
            )
        ),
        "numpy arithmetic alone; a prediction takes memory for every row times every row of training",
    ),
}
"""Objects that an organization may allow by name, and why that is safe. Whatever is in neither list is never opened."""

LOSSES = _names(
    {
        "sklearn._loss._loss": "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss "
        "CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError CyHalfTweedieLoss CyHalfTweedieLossIdentity "
        "CyHuberLoss CyPinballLoss",
        "sklearn.linear_model._sgd_fast": "EpsilonInsensitive Hinge ModifiedHuber SquaredEpsilonInsensitive SquaredHinge",
    }
)
TREES = _names({"sklearn.tree._tree": "Tree"})
DICTS = _names({"builtins": "dict", "collections": "OrderedDict", "sklearn.utils._bunch": "Bunch"})
SPARSE = _names({"scipy.sparse._csr": "csr_array csr_matrix"})
NUMBERS = _names(
    {
        "numpy": "bool bool_ float16 float32 float64 int16 int32 int64 int8 longlong str_ uint16 uint32 uint64 uint8 "
        "ulonglong"
    }
)
TYPES = NUMBERS | _names({"builtins": "bool float int str"})

FUNCTIONS = _names(
    {
        "numpy": "absolute arcsinh cbrt ceil cos exp exp2 expm1 fabs floor log log10 log1p log2 negative positive "
        "reciprocal rint sign sin sqrt square tanh trunc",
        "scipy.special._special_ufuncs": "expit log1p logit",
    }
)
"""Functions that may stand in a file: of one array, element by element. A person's own function never may."""

SCORES = _names(
    {
        "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
        "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_regression r_regression",
    }
)
"""Functions by which selections of features were trained: their bare name takes their place, as text."""

FORGOTTEN = (
    "numpy.random.",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.metrics._dist_metrics.",
    "sklearn.metrics._scorer.",
    "sklearn.model_selection._split.",
    "sklearn.neighbors._ball_tree.",
    "sklearn.neighbors._kd_tree.",
    "sklearn.neural_network._stochastic_optimizers.",
)
"""What only training needs, or what is made anew from data: None takes its place before the file is opened."""

TRUSTED = (
    OPENED | TREES | LOSSES | DICTS | SPARSE | TYPES | FUNCTIONS | frozenset({"numpy.dtype", "numpy.ndarray"})
)
"""All that skops is told to trust, besides what an organization allowed of VETTED."""
