"""Definitions of many languages, worked out by hand."""

from __future__ import annotations

import warnings

import pytest

from ingest import Document
from ingest.parsers import parse

JAVA = """\
package a.b;

/**
 * class of accounts { with a brace
 */
@Entity
public class Account extends Base {
    private int n = start(3);

    public Account(int n) {
        this.n = n;
    }

    // adds
    @Override
    public <T> List<T> add(Map<String, T> values,
                           int more) throws IOException {
        if (more > 0) {
            run(() -> { more--; });
        }
        for (T one : values) { use(one); }
        return new ArrayList<>() {
        };
    }

    enum Kind { A, B }
}
interface Other { }
"""

C = """\
#include <stdio.h>

struct point;
static struct point *make(int x, int y);

/* makes a
   point */
static struct point *make(int x, int y)
{
    while (x) {
        x--;
    }
    return 0;
}

struct point {
    int x;
};

int
main(int argc, char **argv)
{
    return 0;
}
"""

CPP = """\
namespace geo {
template <typename T>
class Shape {
  public:
    Shape(int n) : n_(n), m_{n} {
    }
    virtual ~Shape() = default;
    double area() const override {
        return 0;
    }
};
}
geo::Shape::Shape(int n) : n_(n) {
}
enum class Colour : int { Red };
"""

TYPESCRIPT = """\
import { x } from "src/**/*.js";

export interface Point { x: number }
type Id = string;

/** Doc of
function inside a comment
*/
export default class App<T> extends Base {
  constructor(private readonly name: string) {
    super();
  }
  async load({ a, b }: Props, c = "x"): Promise<void> {
    if (a) {
      describe("x", () => {
      });
    }
    const inner = () => 1;
  }
  get size(): number {
    return 0;
  }
}

export const add = async (a: number, b = f(1)): Promise<number> => a + b;
const Card = ({ title }) => {
};
const plain = 3;
export async function* walk() {
}
app.get("/", (request) => {
});
const page = `
function inside() {
}
`;
"""

GO = """\
type Server struct {
}

// Run starts it.
func (s *Server) Run(ctx context.Context) error {
}
func main() {}
"""

RUST = """\
#[derive(Debug)]
pub struct Point<'a> {
}

impl<'a> fmt::Display for Point<'a> {
    /// Writes it.
    pub(crate) async fn fmt(&self) -> Result {
    }
}
pub trait Shape {}
macro_rules! square {
}
"""

RUBY = """\
# A shop.
module Shop
  class Cart
    def self.open?(name)
    end

    def total=(n)
    end
  end
end
=begin
def hidden
=end
"""

SHELL = """\
#!/bin/sh
# Says hello.
hello() {
  echo "hello() {"
}
function bye {
  :
}
"""

SQL = """\
-- People.
CREATE TABLE IF NOT EXISTS people (id int);
/*
create table hidden (x int);
*/
create or replace function grow(n int) returns int as $$ $$;
create unique index people_id on people (id);
"""

LUA = """\
--[[
function hidden()
]]
local function a(x)
end
function M.sub:go()
end
M.run = function() end
"""


def labels(found: Document) -> list[tuple[str, int]]:
    return [(mark.label, mark.level) for mark in found.marks]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.java", JAVA, [("Account", 1), ("Account", 2), ("add", 2), ("Kind", 2), ("Other", 1)]),
        ("a.c", C, [("make", 1), ("point", 1), ("main", 1)]),
        ("a.cpp", CPP, [("geo", 1), ("Shape", 1), ("Shape", 2), ("area", 2), ("geo::Shape::Shape", 1), ("Colour", 1)]),
        (
            "a.TS",
            TYPESCRIPT,
            [
                ("Point", 1),
                ("Id", 1),
                ("App", 1),
                ("constructor", 2),
                ("load", 2),
                ("size", 2),
                ("add", 1),
                ("Card", 1),
                ("walk", 1),
            ],
        ),
        ("a.h", "class MY_API Foo final : Base {\n};\nstruct POINT {\n};\n", [("Foo", 1), ("POINT", 1)]),
        ("a.go", GO, [("Server", 1), ("Run", 1), ("main", 1)]),
        ("a.rs", RUST, [("Point", 1), ("fmt::Display for Point<'a>", 1), ("fmt", 2), ("Shape", 1), ("square", 1)]),
        ("a.rb", RUBY, [("Shop", 1), ("Cart", 2), ("self.open?", 3), ("total=", 3)]),
        ("a.sh", SHELL, [("hello", 1), ("bye", 1)]),
        ("a.sql", SQL, [("people", 1), ("grow", 1), ("people_id", 1)]),
        ("a.lua", LUA, [("a", 1), ("M.sub:go", 1), ("M.run", 1)]),
        ("a.kt", "data class P(val x: Int)\nfun <T> List<T>.last(): T {\n}\n", [("P", 1), ("List", 1)]),
        ("a.swift", "extension Int {\n    func twice() -> Int {\n    }\n}\n", [("Int", 1), ("twice", 2)]),
        ("a.scala", "object A {\n  def f(x: Int) = x\n}\ncase class B(x: Int)\n", [("A", 1), ("f", 2), ("B", 1)]),
        ("a.php", "<?php\nabstract class A {\n  public function &f() {\n  }\n}\n", [("A", 1), ("f", 2)]),
        (
            "a.cs",
            "namespace N {\n  class A {\n    async Task<int> F(int x) {\n    }\n  }\n}\n",
            [("N", 1), ("A", 2), ("F", 3)],
        ),
        ("a.r", "f.x <- function(a) {\n}\ny <- 3\n", [("f.x", 1)]),
        ("a.jl", "module M\nfunction f!(x)\nend\nend\n", [("M", 1), ("f!", 1)]),
        ("a.toml", "[tool.x]\na = 1\n[[points]]\nb = [1]\n", [("tool.x", 1), ("points", 1)]),
        ("a.json", '{"class A": 1}\n', []),
        ("Makefile", "X := 1\nall: b\n\techo a:\n", [("all", 1)]),
        ("Dockerfile", "FROM python:3.11 AS build\nRUN x\n", [("build", 1)]),
    ],
)
def test_definitions(name: str, text: str, expected: list[tuple[str, int]]) -> None:
    found = parse(text.encode(), name=name)
    assert found.text == text and found.is_source
    assert labels(found) == expected


@pytest.mark.parametrize(
    ("name", "text", "label", "begins"),
    [
        ("a.java", JAVA, "Account", "/**\n"),
        ("a.java", JAVA, "add", "    // adds\n"),
        ("a.c", C, "make", "/* makes a\n"),
        ("a.cpp", CPP, "Shape", "template <"),
        ("a.ts", TYPESCRIPT, "App", "/** Doc of\n"),
        ("a.go", GO, "Run", "// Run starts it.\n"),
        ("a.rs", RUST, "Point", "#[derive"),
        ("a.rs", RUST, "fmt", "    /// Writes it.\n"),
        ("a.rb", RUBY, "Shop", "# A shop.\n"),
        ("a.sh", SHELL, "hello", "# Says hello.\n"),
        ("a.sql", SQL, "people", "-- People.\n"),
        ("a.c", C, "main", "int\nmain"),
    ],
)
def test_a_mark_begins_at_the_comments_and_decorators_above(name: str, text: str, label: str, begins: str) -> None:
    mark = next(mark for mark in parse(text.encode(), name=name).marks if mark.label == label)
    assert text[mark.start :].startswith(begins)


PYTHON = '''\
"""def inside a docstring
def hidden():
"""
try:
    import x
except ImportError:
    def fallback():
        pass

# About A.
@d(
    1,
)
class A:
    # The first.
    def f(self):
        def inner():
            pass

    match 1:
        case 1:
            def g(self): return "\\d"
    # trailing
for i in 1, 2:
    async def h():
        pass
'''


def test_python_definitions_wherever_they_stand() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an escape sequence in the file read is none of the reader's business
        found = parse(PYTHON.encode(), name="A.PY")
    assert labels(found) == [("fallback", 1), ("A", 1), ("f", 2), ("inner", 3), ("g", 2), ("h", 1)]
    begins = [found.text[mark.start :].split("\n", 1)[0].strip() for mark in found.marks]
    assert begins == [
        "def fallback():",
        "# About A.",
        "# The first.",
        "def inner():",
        'def g(self): return "\\d"',
        "async def h():",
    ]


def test_python_of_another_version_is_read_by_its_lines() -> None:
    text = (
        '"""\ndef hidden():\n"""\n# Old.\n@d\nclass A:\n    def f(self):\n        print "x"\n\n    def g(self): pass\n'
    )
    found = parse(text.encode(), name="a.py")
    assert labels(found) == [("A", 1), ("f", 2), ("g", 2)]
    assert text[found.marks[0].start :].startswith("# Old.\n@d\nclass A")


def test_windows_newlines_keep_line_numbers() -> None:
    found = parse(b"x = 1\r\n\r\ndef f():\r\n    pass\r\n", name="a.py")
    assert found.text == "x = 1\n\ndef f():\n    pass\n"
    assert [mark.start for mark in found.marks] == [7]
