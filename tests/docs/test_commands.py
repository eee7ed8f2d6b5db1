"""Every command is documented as it is, and every command on a page exists."""

import re
import shlex

import click
import pytest

from tests.docs import pages

COMMANDS = pages.commands()
PAGE = pages.ROOT / "docs" / "commands.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
CALL = re.compile(r"(?:\S*/)?(tfx-mobile|make)\s+(.*)")


def _typed():
    """What a person would type: each line of a shell block, and inline code with arguments."""
    for page in pages.files():
        text = page.read_text(encoding="utf-8")
        for _, body in pages.blocks(page, "help"):
            text = text.replace(body, "")
        lines = []
        for language, body in FENCE.findall(text):
            if language == "sh":
                lines += re.sub(r"\\\n\s*", "", body).splitlines()
            else:
                lines += [line[2:] for line in body.splitlines() if line.startswith("$ ")]
        lines += INLINE.findall(FENCE.sub("", text))
        for line in lines:
            if found := CALL.match(line):
                program, arguments = found[1], shlex.split(found[2], comments=True)
                yield pytest.param(program, arguments, id=f"{page.name}: {line.strip()}")


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path or "tfx-mobile")
def test_a_command_has_help(path):
    command = COMMANDS[path]

    assert (command.help or "").strip()
    assert not [
        p.name for p in command.params if isinstance(p, click.Option) and not (p.help or "").strip()
    ]


@pytest.mark.parametrize("path", [path for path in COMMANDS if path])
def test_a_command_shows_an_example(path):
    if isinstance(COMMANDS[path], click.Group):
        return
    examples = re.findall(r"^\s*tfx-mobile (.+)$", COMMANDS[path].help or "", re.MULTILINE)

    assert [e for e in examples if f"{e} ".startswith(f"{path} ")]
    for example in examples:
        _check_call(pages.main, shlex.split(example))


def test_every_command_is_on_the_page():
    documented = [argument for argument, _ in pages.blocks(PAGE, "help")]

    assert sorted(documented) == sorted(f"tfx-mobile {path}".strip() for path in COMMANDS)


@pytest.mark.parametrize(("argument", "block"), pages.blocks(PAGE, "help"))
def test_help_on_the_page_is_the_help(argument, block):
    assert block == pages.expected("help", argument), ".venv/bin/python -m tests.docs.pages"


def test_help_does_not_depend_on_the_terminal(monkeypatch):
    before = pages.help_of("tfx-mobile run")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert pages.help_of("tfx-mobile run") == before


@pytest.mark.parametrize(("program", "arguments"), _typed())
def test_a_command_on_a_page_exists(program, arguments):
    if program == "make":
        _check_make(arguments)
    else:
        _check_call(pages.main, arguments)


def _check_make(arguments):
    makefile = (pages.ROOT / "Makefile").read_text(encoding="utf-8")
    for word in arguments:
        variable, is_variable, value = word.partition("=")
        pattern = rf"^{re.escape(variable)}\s*\??=" if is_variable else rf"^{re.escape(word)}:"
        assert re.search(pattern, makefile, re.MULTILINE), f"the Makefile has no {variable}"
        if variable == "ARGS" and "demo" in arguments:
            _check_call(pages.main, ["run", "--output=demo", *shlex.split(value)])


def _check_call(command, arguments):
    """Parses the arguments as click does, and runs nothing."""
    arguments = list(arguments)
    if isinstance(command, click.Group):
        known = {option: p for p in command.params for option in p.opts}
        while arguments and arguments[0].startswith("-"):
            option = arguments.pop(0)
            assert option in known or option == "--help"
            if option in known and not known[option].is_flag:
                arguments.pop(0)
        if arguments:
            assert arguments[0] in command.commands, f"there is no command {arguments[0]}"
            _check_call(command.commands[arguments[0]], arguments[1:])
    elif arguments and arguments != ["--help"]:
        # Without its parent a command would keep another --help than the real one.
        parent = click.Context(pages.main, **pages.main.context_settings)
        command.make_context(command.name, arguments, parent=parent)
