"""Figures as Markdown, CSV, JSON and a plot, below benches/results."""

import csv
import json
import math
from pathlib import Path


def geomean(values):
    values = [max(v, 1e-6) for v in values]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else float("nan")


class Report:
    def __init__(self, name, machine):
        self.directory = Path(__file__).resolve().parents[1] / "results"
        self.name, self.machine = name, machine
        self.rows, self.notes, self.suites = [], [], {}

    def row(self, suite, engine, what, value, unit):
        self.rows.append({"suite": suite, "engine": engine, "what": what, "value": value, "unit": unit})
        print(f"    {engine:20} {what:44} {value:12,.3f} {unit}", flush=True)
        self.save(plot=False)

    def note(self, text):
        self.notes.append(text)
        print(f"    note: {text}", flush=True)

    def queries(self, suite, results):
        """`results`: {engine: {"queries": {name: (first, hot)}, "failed": {…}, …}}; the first engine is ours."""
        self.suites[suite] = results
        common = set.intersection(*(set(r["queries"]) for r in results.values())) if results else set()
        ours = results.get("basalt", {}).get("queries", {})
        for engine, result in results.items():
            hot = {name: times[1] for name, times in result["queries"].items()}
            self.row(suite, engine, f"{len(hot)} queries, hot: total", sum(hot.values()), "s")
            self.row(suite, engine, f"geomean over {len(common)} common queries", 1e3 * geomean([hot[n] for n in common]), "ms")
            if engine != "basalt" and ours:
                both = [n for n in hot if n in ours]
                self.row(suite, engine, "ratio basalt / this, total", sum(ours[n][1] for n in both) /
                         max(sum(hot[n] for n in both), 1e-9), "×")
                self.row(suite, engine, "ratio basalt / this, geomean", geomean([ours[n][1] / max(hot[n], 1e-6) for n in both]), "×")
            if result.get("rss_mb"):
                self.row(suite, engine, "most memory (RSS)", result["rss_mb"], "MB")
            for name, error in result["failed"].items():
                self.note(f"{suite}, {engine}, {name}: {error}")

    def save(self, plot=True):
        self.directory.mkdir(parents=True, exist_ok=True)
        base = self.directory / self.name
        base.with_suffix(".json").write_text(json.dumps(
            {"machine": self.machine, "rows": self.rows, "suites": self.suites, "notes": self.notes}, indent=1))
        with open(base.with_suffix(".csv"), "w", newline="") as file:
            writer = csv.DictWriter(file, ["suite", "engine", "what", "value", "unit"])
            writer.writeheader()
            writer.writerows(self.rows)
        base.with_suffix(".md").write_text(self.markdown())
        if plot:
            self.plot(base.with_suffix(".png"))

    def markdown(self):
        lines = [f"# Figures: {self.name}", "", f"Machine: {self.machine}. Two threads each; hot = best of the later runs.", ""]
        for suite in dict.fromkeys(r["suite"] for r in self.rows):
            lines += [f"## {suite}", "", "| engine | what | figure |", "|---|---|---|"]
            lines += [f"| {r['engine']} | {r['what']} | {r['value']:,.3f} {r['unit']} |" for r in self.rows if r["suite"] == suite]
            lines += [""] + self._per_query(suite)
        if self.notes:
            lines += ["## Notes", ""] + [f"- {n}" for n in self.notes] + [""]
        return "\n".join(lines)

    def _per_query(self, suite):
        results = self.suites.get(suite)
        if not results:
            return []
        names = sorted({n for r in results.values() for n in r["queries"]})
        lines = ["Hot, in ms:", "", "| query | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
        for name in names:
            cells = [f"{1e3 * r['queries'][name][1]:.1f}" if name in r["queries"] else "-" for r in results.values()]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return lines + [""]

    def plot(self, path):
        try:
            import matplotlib
            matplotlib.use("Agg")
            import matplotlib.pyplot as plt
        except ImportError:
            self.note("no plot: matplotlib is not installed")
            return
        suites = {s: r for s, r in self.suites.items() if len(r) > 1}
        if not suites:
            self._plot_rows(plt, path)
            return
        figure, axes = plt.subplots(len(suites), 1, figsize=(14, 4.5 * len(suites)), squeeze=False)
        for axis, (suite, results) in zip(axes[:, 0], suites.items()):
            names = sorted({n for r in results.values() for n in r["queries"]})
            width = 0.8 / len(results)
            for index, (engine, result) in enumerate(results.items()):
                heights = [1e3 * result["queries"][n][1] if n in result["queries"] else 0 for n in names]
                axis.bar([x + index * width for x in range(len(names))], heights, width, label=engine)
            axis.set_yscale("log")
            axis.set_xticks([x + 0.4 for x in range(len(names))], names, rotation=60, fontsize=8)
            axis.set_ylabel("hot, ms (log)")
            axis.set_title(suite)
            axis.legend(fontsize=8)
        figure.tight_layout()
        figure.savefig(path, dpi=110)

    def _plot_rows(self, plt, path):
        rows = [r for r in self.rows if r["unit"] in ("MB/s", "/s", "rows/s", "ms")]
        if not rows:
            return
        units = list(dict.fromkeys(r["unit"] for r in rows))
        figure, axes = plt.subplots(len(units), 1, figsize=(11, 1.5 + 0.35 * len(rows)), squeeze=False)
        for axis, unit in zip(axes[:, 0], units):
            of_unit = [r for r in rows if r["unit"] == unit][::-1]
            axis.barh([f"{r['engine']}: {r['what']}" for r in of_unit], [r["value"] for r in of_unit])
            axis.set_xlabel(unit)
        figure.tight_layout()
        figure.savefig(path, dpi=110)
