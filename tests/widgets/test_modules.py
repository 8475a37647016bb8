import re

import pytest

from qmix_edu.widgets import modules


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(modules, "_FOLDER", tmp_path)
    return tmp_path


def test_every_file_stands_once_after_what_it_imports(folder):
    (folder / "base.js").write_text("export const one = 1;\n")
    (folder / "left.js").write_text('import { one } from "./base.js";\nexport function left() { return one; }\n')
    (folder / "top.js").write_text(
        'import { left } from "./left.js";\nimport {\n  one,\n} from "./base.js";\nexport default { left, one };\n'
    )
    assert modules.esm("top") == ("const one = 1;\nfunction left() { return one; }\nexport default { left, one };\n")


def test_the_shared_style_comes_first(folder):
    (folder / "explorer.css").write_text("a {}\n")
    (folder / "top.css").write_text("b {}\n")
    assert modules.css("top") == "a {}\nb {}\n"


@pytest.mark.parametrize("name", sorted(p.stem for p in modules._FOLDER.glob("*.js")))
def test_no_two_files_of_a_widget_use_one_name(name):
    source = modules.esm(name)
    names = re.findall(r"^(?:async )?(?:function\*?|const|let|class) (\w+)", source, flags=re.MULTILINE)
    assert len(names) == len(set(names)) and "import " not in source
