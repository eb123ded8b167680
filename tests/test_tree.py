"""What holds for the tree as a whole."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_folder_of_code_is_a_package_so_that_the_import_contracts_see_it() -> None:
    folders = {
        path.parent
        for top in ("schemas", "infra", "stages", "pipeline", "scripts")
        for path in (ROOT / top).rglob("*.py")
    }
    assert sorted(str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()) == []
