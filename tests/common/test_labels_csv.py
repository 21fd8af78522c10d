"""labels.csv is read as it was written, and what is wrong in it is one line."""

from __future__ import annotations

import pytest

from digits_edge.common.labels_csv import read_labels, write_labels
from digits_edge.runtime.errors import DatasetError


def test_what_is_written_is_read(tmp_path):
    labels = {"b.png": "7", 'a, "b".png': "a, b", "é.png": "", "line\nbreak.png": "='x'"}
    write_labels(tmp_path / "labels.csv", labels)
    assert read_labels(tmp_path / "labels.csv", alone=True) == labels


def test_other_columns_may_stand_beside_them(tmp_path):
    path = tmp_path / "labels.csv"
    assert read_labels(path) is None
    path.write_text("\ufefflabel,who,file\r\n7,me,a.png\r\n\r\n")
    assert read_labels(path) == {"a.png": "7"}
    with pytest.raises(DatasetError, match="expected the columns file,label, found label,who,file"):
        read_labels(path, alone=True)
    path.write_text("id,breed\na,dog\n")
    assert read_labels(path) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,label\na.png\n", "row 2: expected 2 cells, found 1"),
        ("file,label\na.png,1\na.png,2\n", "row 3: expected each file once, found 'a.png' again"),
        ("file,label\n../a.png,1\n", "row 2: expected a file in the folder, found '../a.png'"),
        ("file,label\n/etc/a.png,1\n", "row 2: expected a file in the folder, found '/etc/a.png'"),
        ('file,label\n"a.png,1\n', "expected a CSV: "),
        ("file,label\n\xff.png,1\n", "expected a CSV: "),
    ],
)
def test_a_wrong_row_is_named(text, said, tmp_path):
    (tmp_path / "labels.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DatasetError) as raised:
        read_labels(tmp_path / "labels.csv")
    assert str(raised.value).startswith(f"{tmp_path / 'labels.csv'}: {said}")
