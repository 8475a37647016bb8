"""The course's first page in a real browser: run all cells, and see what a student sees."""

import json
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

PAGE = Path(__file__).resolve().parents[2] / "notebooks" / "00_start_here.ipynb"
# Every greedy value that the widget shows on its way, in order.
RECORD = """
() => {
  window.seen = [];
  const look = () => {
    const shown = document.querySelector("[data-result]");
    if (shown) {
      const value = JSON.parse(shown.dataset.result).greedy_value;
      if (window.seen.at(-1) !== value) window.seen.push(value);
    }
    requestAnimationFrame(look);
  };
  look();
}
"""
LEARNT = "() => Math.abs((window.seen.at(-1) ?? 0) - 8) < 0.2"


def test_the_first_page_learns_before_the_students_eyes(lab, page):
    shutil.copy(PAGE, lab.root / PAGE.name)
    page.add_init_script(f"({RECORD})()")
    lab.run_all(page, PAGE.name)
    page.wait_for_function(LEARNT, timeout=90_000)
    outputs = page.locator(".jp-OutputArea-output")
    outputs.filter(has_text="Not started:").wait_for(timeout=90_000)
    outputs.filter(has_text="In all:").wait_for(timeout=90_000)
    outputs.filter(has_text="torch uses").wait_for(timeout=90_000)
    seen = page.evaluate("window.seen")
    assert len(seen) > 5, f"the landscape showed {len(seen)} values only; it should move while it learns"
    result = json.loads(page.locator("[data-result]").first.get_attribute("data-result"))
    assert result["violations"] == 0
    assert result["greedy_value"] == pytest.approx(8, abs=0.2)
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    assert page.problems == []
