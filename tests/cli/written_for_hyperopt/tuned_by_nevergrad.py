"""nevergrad's optimisers that hand their work to hyperopt, over its own kinds of parameters."""

import hyperopt
import nevergrad as ng

if __name__ == "__main__":
    print(hyperopt.__file__, ng.__version__)
    parameters = ng.p.Instrumentation(
        rate=ng.p.Log(lower=1e-4, upper=1.0),
        width=ng.p.Scalar(lower=1, upper=12).set_integer_casting(),
        kind=ng.p.Choice(["tanh", "relu"]),
        decay=ng.p.Scalar(lower=-1.0, upper=1.0),
    )
    optimizer = ng.optimizers.registry["HyperOpt"](parametrization=parameters, budget=30)
    optimizer.parametrization.random_state.seed(3)

    def loss(rate, width, kind, decay):
        assert isinstance(width, int)
        return (rate - 0.1) ** 2 + abs(width - 4) + (kind == "tanh") + decay**2

    best = optimizer.minimize(loss)
    print(type(optimizer.trials).__module__, len(optimizer.trials), set(optimizer.trials.statuses()))
    print(loss(**best.kwargs) == min(optimizer.trials.losses()))

    # Points that were not asked for, and losses told in another order than asked.
    optimizer = ng.optimizers.registry["HyperOpt"](parametrization=ng.p.Array(shape=(2,)), budget=20)
    given = optimizer.parametrization.spawn_child(new_value=[0.5, -0.5])
    optimizer.tell(given, 0.5)
    for _ in range(10):
        asked = [optimizer.ask(), optimizer.ask()]
        for candidate in reversed(asked):
            optimizer.tell(candidate, float((candidate.value**2).sum()))
    print(len(optimizer.trials), min(optimizer.trials.losses()) <= 0.5)
