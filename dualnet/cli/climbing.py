"""The verb ``parity``: both sides of a spec climb the ladder in workers."""

from argparse import Namespace

from dualnet import api
from dualnet.cli.common import workers
from dualnet.cli.pages import write_page
from dualnet.cli.results import write
from dualnet.compare.ladder import stages as chosen
from dualnet.report import ladder, table
from dualnet.report.environment import environment
from dualnet.report.progress import progress


def parity(arguments: Namespace) -> int:
    """Climb the ladder; return 0 if both sides are one function, else 1."""
    with workers(arguments) as host, progress(arguments.quiet) as show:
        options = {"steps": arguments.steps, "seeds": arguments.seeds, "epochs": arguments.epochs}
        report = api.check(
            arguments.spec,
            arguments.against,
            stages=chosen(arguments.stages),
            seed=arguments.seed,
            device=arguments.device,
            dtype=arguments.dtype,
            host=host,
            climb_options=options | {"limit": arguments.limit, "progress": show},
        )
        facts = {name: host.facts(name) for name in ("torch", "keras")} if arguments.out else {}
    print(table.parity(report))
    if arguments.out:
        found = ladder.result(report, environment(facts))
        found.save(arguments.out / "parity.json")
        write_page(arguments.out / "report.html", [found], f"dualnet: {report.name}")
        print(f"written: {arguments.out}/parity.json, report.html")
    write(arguments.json, report.to_data())
    return 0 if report.agrees else 1
