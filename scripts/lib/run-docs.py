"""Runs the shell blocks of Markdown files and looks for the output that the files promise.

    run-docs.py URL FILE [SANDBOX]

A block is run when the line before its fence is `<!-- run -->`, all blocks of a file in one shell, in order. A block
whose fence follows `<!-- expect -->` names what the block before it must have printed: each of its lines must be
found within a line of the output, in this order; `…` stands for anything. `http://127.0.0.1:8080` becomes URL,
`http://127.0.0.1:8090` SANDBOX. Answers may not stand glued together in a line. Files that the blocks write go to a folder of their own.
"""

import pathlib
import re
import subprocess
import sys
import tempfile


def blocks(text):
    """The marked blocks: ('run' or 'expect', first line's number, content)."""
    pattern = re.compile(r"^<!-- (run|expect) -->\n+```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for match in pattern.finditer(text):
        yield match.group(1), text.count("\n", 0, match.start(2)) + 1, match.group(2)


def is_found(expected, lines):
    """Whether the expected lines are there; else the first one that is not."""
    position = 0
    for wanted in filter(str.strip, expected.splitlines()):
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.strip().split("…")))
        while position < len(lines) and not pattern.search(lines[position]):
            position += 1
        if position == len(lines):
            return wanted
        # Several expectations may be about one long line.
    return None


def main():
    url, path, *sandbox = sys.argv[1:]
    page = pathlib.Path(path).read_text().replace("http://127.0.0.1:8080", url)
    for address in sandbox:
        page = page.replace("http://127.0.0.1:8090", address)
    found = list(blocks(page))
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        script = ["set -euo pipefail"]
        for index, (kind, _, content) in enumerate(found):
            if kind == "run":
                output = f"{folder}/{index}"
                script.append(f"{{\n{content}\n}} >{output} 2>&1 </dev/null\ntouch {output}.done")
        pathlib.Path(folder, "files").mkdir()
        try:
            subprocess.run(["bash", "-c", "\n".join(script)], check=False, timeout=120, cwd=f"{folder}/files")
        except subprocess.TimeoutExpired:
            print(f"FAIL  {path} takes more than two minutes")
            failures += 1
        output = None
        for index, (kind, line, content) in enumerate(found):
            place = f"{path}:{line}"
            if kind == "run":
                output = pathlib.Path(folder, str(index))
                text = output.read_text() if output.exists() else ""
                if not pathlib.Path(f"{output}.done").exists():
                    print(f"FAIL  {place} does not run; it printed:\n{text}")
                    failures += 1
                    break
                print(f"ok    {place} runs")
                if re.search(r"}\{", text):
                    print(f"FAIL  {place} prints answers without a line feed between them:\n{text}")
                    failures += 1
            elif output is not None:
                missing = is_found(content, output.read_text().splitlines())
                if missing is not None:
                    print(f"FAIL  {place} is not printed: {missing}\n{output.read_text()}")
                    failures += 1
                else:
                    print(f"ok    {place} is printed")
    sys.exit(1 if failures else 0)


main()
