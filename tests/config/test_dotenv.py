"""The `.env` dialect is node's (docs/settings.md): each line here was read by npm's dotenv 16.6.1, too, and meant the
same."""

from pathlib import Path

import pytest

from gateway.config import dotenv

CASES = {
    "plain": ("A=b", {"A": "b"}),
    "spaces around": ("  A = b c  ", {"A": "b c"}),
    "empty": ("A=", {"A": ""}),
    "empty between": ("A=\nB=c", {"A": "", "B": "c"}),
    "spaces alone": ("A=   \nB=c", {"A": "", "B": "c"}),
    "a colon": ("A: b", {"A": "b"}),
    "a colon without a space": ("A:b", {}),
    "a name with dots and dashes": ("a.b-c_1=d", {"a.b-c_1": "d"}),
    "export": ("export A=b", {"A": "b"}),
    "export of nothing": ("export A", {}),
    "an equals sign in it": ("A=b=c==", {"A": "b=c=="}),
    "the last one wins": ("A=b\nA=c", {"A": "c"}),
    "no assignment": ("just words\nA=b", {"A": "b"}),
    "a comment": ("# A=b\nB=c", {"B": "c"}),
    "a comment after a space": ("A=b # c", {"A": "b"}),
    "a hash inside": ("A=ab#cd", {"A": "ab"}),
    "a hash first": ("A=#cd", {"A": ""}),
    "a hash in quotes": ('A="ab#cd" # e', {"A": "ab#cd"}),
    "a url with a hash": ("A=http://a/#b", {"A": "http://a/"}),
    "single quotes": ("A='b c'", {"A": "b c"}),
    "double quotes": ('A="b c"', {"A": "b c"}),
    "backticks": ("A=`b c`", {"A": "b c"}),
    "quotes within others": ("A=`b 'c' \"d\"`", {"A": "b 'c' \"d\""}),
    "spaces in quotes stay": ("A='  b  '", {"A": "  b  "}),
    "quotes inside": ("A=b 'c' d", {"A": "b 'c' d"}),
    "one quote": ("A='b", {"A": "'b"}),
    "other quotes at the end": ("A='b\"", {"A": "'b\""}),
    "empty quotes": ("A=''\nB=\"\"\nC=``", {"A": "", "B": "", "C": ""}),
    "JSON": ('A={"b": "c"}', {"A": '{"b": "c"}'}),
    "an escaped quote stays": ('A="b\\"c"', {"A": 'b\\"c'}),
    "a new line in double quotes": ('A="b\\nc\\rd"', {"A": "b\nc\rd"}),
    "no new line in single quotes": ("A='b\\nc'", {"A": "b\\nc"}),
    "no new line in backticks": ("A=`b\\nc`", {"A": "b\\nc"}),
    "no new line without quotes": ("A=b\\nc", {"A": "b\\nc"}),
    "a backslash": ("A=b\\tc\\\\d", {"A": "b\\tc\\\\d"}),
    "lines in double quotes": ('A="b\nc\nd"\nE=f', {"A": "b\nc\nd", "E": "f"}),
    "lines in single quotes": ("A='b\nc'\nE=f", {"A": "b\nc", "E": "f"}),
    "lines in backticks": ("A=`b\nc`\nE=f", {"A": "b\nc", "E": "f"}),
    "a hash in lines": ('A="b\n# c\nd"', {"A": "b\n# c\nd"}),
    "a variable": ("A=b\nC=${A}$A", {"A": "b", "C": "${A}$A"}),
    "a variable in double quotes": ('C="${A}"', {"C": "${A}"}),
    "windows": ("A=b\r\nC='d'\r\n", {"A": "b", "C": "d"}),
    "windows in quotes": ('A="b\r\nc"\r\nD=e', {"A": "b\nc", "D": "e"}),
    "old mac": ("A=b\rC=d", {"A": "b", "C": "d"}),
    "tabs": ("\tA\t=\tb\t# c", {"A": "b"}),
    "blank lines": ("\n\n  \nA=b\n\n", {"A": "b"}),
    "no last newline": ("A=b\nC=d", {"A": "b", "C": "d"}),
    "letters of the world": ("A=żółć ☃", {"A": "żółć ☃"}),
    "a name of the world": ("ż=b\nA=c", {"A": "c"}),
    "text after quotes": ('A="b" c', {"A": '"b" c'}),
    "an empty file": ("", {}),
}


@pytest.mark.parametrize(("text", "values"), CASES.values(), ids=CASES.keys())
def test_a_text(text: str, values: dict[str, str]) -> None:
    assert dotenv.parse(text) == values


class TestFile:
    def test_a_byte_order_mark_is_skipped(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=b\r\n")
        assert dotenv.read(tmp_path / ".env") == {"A": "b"}

    def test_a_missing_file_sets_nothing(self, tmp_path: Path) -> None:
        assert dotenv.read(tmp_path / ".env") == {}
        assert dotenv.read(tmp_path / "no" / ".env") == {}

    def test_a_file_that_can_not_be_read_is_a_fault(self, tmp_path: Path) -> None:
        (tmp_path / ".env").mkdir()
        with pytest.raises(IsADirectoryError):
            dotenv.read(tmp_path / ".env")

    def test_a_file_that_is_no_text_is_a_fault(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_bytes(b"A=\xff\n")
        with pytest.raises(UnicodeDecodeError):
            dotenv.read(tmp_path / ".env")
