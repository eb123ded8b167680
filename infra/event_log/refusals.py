"""Which SQL the log answers: exactly one SELECT that reads the log's own tables and nothing else.

Decided on DuckDB's own syntax tree, never on the text. Knows no data. It is one of four walls: the question also runs
in a read-only transaction, with access to files switched off and the settings locked, and with limits on time, memory
and rows. It keeps mistakes and mischief from the log; it is no reason to let strangers ask.
"""

import json
from collections.abc import Iterator
from typing import Final

from infra.event_log import growing
from infra.event_log.duck import Error, Parser
from infra.event_log.port import Json, QueryRefused

SQL_MAX_CHARS: Final = 20_000

TABLE_FUNCTIONS: Final = frozenset(
    {
        "unnest",
        "range",
        "generate_series",
        "json_each",
        "json_tree",
        "duckdb_columns",
        "duckdb_functions",
        "duckdb_tables",
        "duckdb_types",
        "duckdb_views",
    }
)
"""What may stand in FROM with arguments. All others read files, other databases, settings or DuckDB's inside."""

TABLES_REFUSED: Final = frozenset({"duckdb_databases", "duckdb_logs", "pg_settings", "pragma_database_list"})
"""Views of DuckDB's own that tell where files lie, how the database is set, or what others asked."""
_PATH_SIGNS: Final = frozenset("/\\.:*?[]")
"""What the names of the log's tables have not: DuckDB would look for a file of such a name."""

_BIG = "makes values of any size from a few letters, and one value is made in one go that no time limit stops"
_INSIDE = "tells of, or changes, the database's inside"
_SLOW = "takes minutes with long texts, in one go that no time limit stops"
FUNCTIONS_REFUSED: Final = {
    "array_reduce": _BIG,
    "array_resize": _BIG,
    "bar": _BIG,
    "bitstring": _BIG,
    "format": _BIG,
    "generate_series": _BIG + "; in FROM it is allowed",
    "list_reduce": _BIG,
    "list_resize": _BIG,
    "lpad": _BIG,
    "printf": _BIG,
    "range": _BIG + "; in FROM it is allowed",
    "reduce": _BIG,
    "repeat": _BIG,
    "rpad": _BIG,
    "to_base": _BIG,
    "damerau_levenshtein": _SLOW,
    "editdist3": _SLOW,
    "jaro_similarity": _SLOW,
    "jaro_winkler_similarity": _SLOW,
    "levenshtein": _SLOW,
    "current_setting": _INSIDE,
    "currval": _INSIDE,
    "getvariable": _INSIDE,
    "nextval": _INSIDE,
    "setseed": _INSIDE,
    "setval": _INSIDE,
    "stats": _INSIDE,
    "write_log": _INSIDE,
    "pg_sleep": "only waits",
    "sleep_ms": "only waits",
}

_QUERY_NODES: Final = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})


def refuse_unless_select(parser: Parser, sql: str) -> None:
    """Raises QueryRefused, which says what is not allowed and what is."""
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryRefused(sql, f"valid Unicode ({error.reason} at {error.start})") from None
    if len(sql) > SQL_MAX_CHARS:
        raise QueryRefused(sql, f"at most {SQL_MAX_CHARS} characters")
    try:
        kinds = parser.kinds(sql)
    except Error as error:
        raise QueryRefused(sql, f"SQL that DuckDB understands: {error}") from None
    if len(kinds) != 1:
        raise QueryRefused(sql, f"exactly one statement, not {len(kinds)}")
    if kinds[0] != "SELECT":
        raise QueryRefused(sql, f"one SELECT (also FROM, WITH, VALUES, DESCRIBE, SHOW TABLES), not {_named(kinds[0])}")
    try:
        tree: Json = json.loads(parser.tree(sql))
    except RecursionError:
        raise QueryRefused(sql, "a SELECT with fewer others inside one another") from None
    if isinstance(tree, dict) and tree.get("error"):
        raise QueryRefused(sql, f"a plain SELECT: {tree.get('error_message')}")
    growth = 1.0
    for node in _nodes(tree):
        _refuse_node(sql, node)
        growth *= _growth(node)
    if growth > growing.GROWTH_MAX:
        names = " and ".join(growing.FUNCTIONS)
        raise QueryRefused(
            sql,
            f"{names} with texts that are written out, which together make a text at most {growing.GROWTH_MAX:,} "
            "times as long",
        )


def _named(kind: str) -> str:
    return "PIVOT or several statements in one (use count(*) FILTER (WHERE …))" if kind == "MULTI" else kind


def _refuse_node(sql: str, node: dict[str, Json]) -> None:
    kind = str(node.get("type", ""))
    if kind.endswith("_NODE") and kind not in _QUERY_NODES:
        raise QueryRefused(sql, f"only SELECT, also inside WITH; not {kind.removesuffix('_NODE')}")
    if kind == "TABLE_FUNCTION":
        function = node.get("function")
        name = str(function.get("function_name", "")).lower() if isinstance(function, dict) else ""
        if name not in TABLE_FUNCTIONS:
            raise QueryRefused(sql, f"no table function {name!r}; allowed are {', '.join(sorted(TABLE_FUNCTIONS))}")
        if isinstance(function, dict):
            function["allowed"] = True
    elif kind in ("BASE_TABLE", "SHOW_REF"):
        _refuse_table(sql, str(node.get("table_name", "")))
    elif node.get("class") == "FUNCTION" and "allowed" not in node:
        name = str(node.get("function_name", "")).lower()
        if name in FUNCTIONS_REFUSED:
            raise QueryRefused(sql, f"no function {name!r}: it {FUNCTIONS_REFUSED[name]}")


def _refuse_table(sql: str, name: str) -> None:
    if not _PATH_SIGNS.isdisjoint(name):
        raise QueryRefused(sql, f"a table or view of the log (SHOW TABLES tells them), no file: {name!r}")
    if name.lower() in TABLES_REFUSED:
        raise QueryRefused(sql, f"no table {name!r}: it tells of the database's inside")


def _growth(node: dict[str, Json]) -> float:
    name = str(node.get("function_name", "")).lower()
    if node.get("class") != "FUNCTION" or name not in growing.FUNCTIONS:
        return 1.0
    return growing.growth(name, node.get("arguments"))


def _nodes(tree: Json) -> Iterator[dict[str, Json]]:
    """All objects of the tree, parents before what stands in them. Not recursive: trees may be thousands deep."""
    waiting: list[Json] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
