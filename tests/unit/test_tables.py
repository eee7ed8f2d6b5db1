"""Tables: what is read, what is told from them, and how faults are described."""

import datetime
import gzip
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from sklearn import datasets

from modules.task import Classification, Feature, Regression, Task
from pipelines import settings, walk
from pipelines.data import tables
from pipelines.data.source import WHOLE
from pipelines.errors import DataError

WRITERS = {
    "csv": lambda frame, file: frame.to_csv(file, index=False),
    "csv.gz": lambda frame, file: frame.to_csv(file, index=False),
    "tsv": lambda frame, file: frame.to_csv(file, index=False, sep="\t"),
    "semicolons.csv": lambda frame, file: frame.to_csv(file, index=False, sep=";"),
    "tabs.csv": lambda frame, file: frame.to_csv(file, index=False, sep="\t"),
    "quoted.csv": lambda frame, file: frame.to_csv(file, index=False, quoting=1),
    "spreadsheet.csv": lambda frame, file: frame.to_csv(
        file, index=False, encoding="utf-8-sig", lineterminator="\r\n"
    ),
    "parquet": lambda frame, file: frame.to_parquet(file, row_group_size=50),
}


def entries(*files):
    return [walk.Entry(file, file.name, file.stat()) for file in files]


def find(parts, wanted=None, **table):
    """The source that files are, by part."""
    choice = settings.validate({"task": {"table": table}}).task
    places = {part: f"the {part} part" for part in parts}
    first = next(iter(parts.values()))[0]
    entries_of = {part: entries(*files) for part, files in parts.items()}
    return tables.open_source(str(first.parent), entries_of, places, choice, wanted)


def read(table, indices=None):
    """The features of a part by name, and its labels, in the order of the rows."""
    batches = list(table.read(np.arange(len(table.labels)) if indices is None else indices))
    features = {
        name: np.concatenate([batch.features[name] for batch in batches])
        for name in batches[0].features
    }
    return features, np.concatenate([batch.labels for batch in batches])


@pytest.fixture
def write(tmp_path):
    """Write a table and open it."""

    def write_and_find(content, name="t.csv", wanted=None, **table):
        file = tmp_path / name
        if isinstance(content, pa.Table):
            pa.parquet.write_table(content, file)
        else:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return find({WHOLE: [file]}, wanted, **table)

    return write_and_find


def message(write, *arguments, **options):
    """The sentence with which a table is refused, without the directory, whenever it is refused."""
    with pytest.raises(DataError) as caught:
        read(write(*arguments, **options).parts[WHOLE])
    text = str(caught.value)
    assert "\n" not in text
    return " ".join(Path(word).name if word.startswith("/") else word for word in text.split(" "))


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_real_tables_in_every_format(tmp_path, name, kind):
    data = getattr(datasets, f"load_{name}")(as_frame=True)
    file = tmp_path / f"{name}.{kind}"
    WRITERS[kind](data.frame, file)
    source = find({WHOLE: [file]})
    task, table = source.task, source.parts[WHOLE]
    assert task.label == "target"
    assert len(task.features) == data.data.shape[1]
    assert {(f.shape, f.dtype, f.picture) for f in task.features} == {((1,), "float32", None)}
    if name == "wine":
        assert task.head == Classification(("0", "1", "2"))
        assert task.features[11].name == "od280_od315_of_diluted_wines"
        assert list(source.notes) == [
            "predicts target, one of 3 classes",
            "columns renamed: od280/od315_of_diluted_wines to od280_od315_of_diluted_wines",
        ]
    else:
        assert task.head == Regression()
        assert list(source.notes) == ["predicts target, a number from 25 to 346"]
    features, labels = read(table)
    expected = data.data.to_numpy()
    np.testing.assert_array_equal(
        np.column_stack([features[feature.name] for feature in task.features]),
        expected.astype(np.float32),
    )
    assert {values.dtype for values in features.values()} == {np.dtype("float32")}
    assert labels.dtype == table.labels.dtype == ("int64" if name == "wine" else "float32")
    np.testing.assert_array_equal(labels, data.target)
    np.testing.assert_array_equal(table.labels, data.target)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_chosen_rows_come_once_in_the_order_of_the_file(tmp_path, suffix):
    frames = [pd.DataFrame({"a": np.arange(n) + 1000 * n, "y": np.arange(n) % 2}) for n in (70, 5)]
    files = [tmp_path / f"{place}.{suffix}" for place in range(2)]
    for frame, file in zip(frames, files, strict=True):
        WRITERS[suffix](frame, file)
    table = find({WHOLE: files}).parts[WHOLE]
    whole = pd.concat(frames)
    for chosen in ([3], [69, 70], [74, 0, 12], [70, 74]):
        features, labels = read(table, np.asarray(chosen))
        rows = whole.iloc[sorted(chosen)]
        assert features["a"].tolist() == rows[["a"]].values.tolist()
        assert labels.tolist() == rows["y"].tolist()
    assert list(table.read(np.empty(0, np.int64))) == []


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_large_file_is_read_in_batches(tmp_path, suffix):
    count = 60_000
    frame = pd.DataFrame({f"f{place}": np.arange(count) + place for place in range(20)})
    WRITERS[suffix](frame.assign(y=np.arange(count) % 3 / 2), tmp_path / f"t.{suffix}")
    table = find({WHOLE: [tmp_path / f"t.{suffix}"]}).parts[WHOLE]
    chosen = np.arange(0, count, 7)
    batches = list(table.read(chosen))
    assert len(batches) > 1
    assert max(map(len, batches)) < len(chosen)
    for place in range(20):
        values = np.concatenate([batch.features[f"f{place}"] for batch in batches])
        np.testing.assert_array_equal(values[:, 0], chosen + place)
    np.testing.assert_array_equal(np.concatenate([b.labels for b in batches]), chosen % 3 / 2)


def test_classes_of_both_splits(tmp_path):
    train, evaluation = tmp_path / "train.csv", tmp_path / "eval.csv"
    train.write_text("a,y\n1,dog\n2,cat\n", encoding="utf-8")
    evaluation.write_text("y,a\nfox,3\ncat,4\n", encoding="utf-8")
    source = find({"train": [train], "eval": [evaluation]})
    assert source.task.head == Classification(("cat", "dog", "fox"))
    assert source.parts["train"].labels.tolist() == [1, 0]
    assert source.parts["eval"].labels.tolist() == [2, 0]
    assert read(source.parts["eval"])[0]["a"].tolist() == [[3], [4]]
    assert source.parts["eval"].where == "the eval part"


@pytest.mark.parametrize(
    ("labels", "options", "head"),
    [
        (["b", "a", "b"], {}, Classification(("a", "b"))),
        ([" b", "a ", "b"], {}, Classification(("a", "b"))),
        (["True", "False", "True"], {}, Classification(("False", "True"))),
        (["10", "9", "2"], {}, Classification(("2", "9", "10"))),
        (["1.0", "-2", "1"], {}, Classification(("-2", "1"))),
        (["1.5", "z", "y"], {"head": "classification"}, Classification(("1.5", "y", "z"))),
        (["10", "9", "other"], {}, Classification(("9", "10", "other"))),
        (['"NA"', "a", "a"], {}, Classification(("NA", "a"))),
        (["1.5", "2", "3"], {}, Regression()),
        ([*map(str, range(20))], {}, Classification(tuple(map(str, range(20))))),
        ([*map(str, range(21))], {}, Regression()),
        (["1", "2", "3"], {"head": "regression"}, Regression()),
        (["1.5", "2", "10"], {"head": "classification"}, Classification(("1.5", "2", "10"))),
        (["1.5", "2", "z"], {"head": "classification"}, Classification(("1.5", "2", "z"))),
    ],
)
def test_what_is_predicted(write, labels, options, head):
    source = write("a,y\n" + "".join(f"1,{label}\n" for label in labels), **options)
    assert source.task.head == head
    found = source.parts[WHOLE].labels
    names = [label.strip(' "') for label in labels]
    if isinstance(head, Classification):
        classes = [head.classes[place] for place in found]
        assert all(c == n or float(c) == float(n) for c, n in zip(classes, names, strict=True))
    else:
        assert found.tolist() == [float(name) for name in names]


@pytest.mark.parametrize(
    ("header", "options", "label"),
    [
        ("Target,b", {}, "Target"),
        ("a, Y ", {}, "Y"),
        ("class,b", {}, "class"),
        ("a,how much", {"label": "how much"}, "how_much"),
        ("y,b", {"label": "b"}, "b"),
        ("a/b,c", {"label": "a_b"}, "a_b"),
    ],
)
def test_which_column_is_the_label(write, header, options, label):
    assert write(f"{header}\n1,2\n3,4\n", **options).task.label == label


def test_names_that_models_can_have(write):
    source = write('"a (mg/l)",1x1,온도,_id,größe,y\n1,2,3,4,5,0\n1,2,3,4,5,1\n')
    names = ["a_mg_l", "x_1x1", "column_3", "id", "groe"]
    assert [feature.name for feature in source.task.features] == names
    assert source.notes[1].startswith("columns renamed: a (mg/l) to a_mg_l, 1x1 to x_1x1, ")


def test_types_of_parquet(write):
    columns = {
        "whole": pa.array([1, 2], pa.int8()),
        "huge": pa.array([2**63 - 1, 0], pa.int64()),
        "half": pa.array([0.5, 1.5], pa.float32()),
        "money": pa.array([Decimal("1.25"), Decimal("2.50")]),
        "truth": pa.array([True, False]),
        "digits": pa.array(["1.5", "2"]),
        "encoded": pa.array(["3", "4"]).dictionary_encode(),
        "label": pa.array(["b", "a"]).dictionary_encode(),
    }
    features, labels = read(write(pa.table(columns), "t.parquet").parts[WHOLE])
    assert {name: values[:, 0].tolist() for name, values in features.items()} == {
        "whole": [1, 2],
        "huge": [np.float32(2**63), 0],
        "half": [0.5, 1.5],
        "money": [1.25, 2.5],
        "truth": [1, 0],
        "digits": [1.5, 2],
        "encoded": [3, 4],
    }
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    "labels", [pa.array([True, False]), pa.array(["True", "False"]), pa.array([1.5, 2])]
)
def test_labels_of_parquet(write, labels):
    head = write(pa.table({"a": [1, 2], "y": labels}), "t.parquet").task.head
    is_number = pa.types.is_floating(labels.type)
    assert head == (Regression() if is_number else Classification(("False", "True")))


def test_truth_values_of_csv_are_numbers(write):
    features, labels = read(write("a,y\nTrue,x\nfalse,z\n").parts[WHOLE])
    assert features["a"].tolist() == [[1], [0]]
    assert labels.tolist() == [0, 1]
    late = "a,y\n" + "True,x\nfalse,z\n" * 400_000
    assert ", row 800002, column 'a', is 'maybe', and" in message(write, f"{late}maybe,x\n")
    assert "'a', has no value in 1 row, first in row 800002" in message(write, f"{late},x\n")


TASK = Task(
    "own",
    (Feature("spectrum", (2, 2)), Feature("count", dtype="int64"), Feature("a_b")),
    "kind",
    Classification(("low", "high")),
)
ROWS = "kind,other,spectrum_1,spectrum_0,spectrum_2,spectrum_3,count,a b\n"


def test_a_task_of_the_user(write):
    source = write(f'{ROWS}high,"free\ntext",1,0,2,3,7,0.5\nlow,more,5,4,6,7,8,1.5\n', wanted=TASK)
    assert source.task == TASK.data
    features, labels = read(source.parts[WHOLE])
    assert features["spectrum"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert features["count"].dtype == np.int64
    assert features["count"].tolist() == [[7], [8]]
    assert features["a_b"].tolist() == [[0.5], [1.5]]
    assert labels.tolist() == [1, 0]
    assert source.notes == [
        "predicts kind, one of 2 classes",
        "columns renamed: a b to a_b",
        "columns left out: other",
    ]


def test_whole_numbers_are_indexes_of_the_classes_of_a_user(write):
    source = write(f"{ROWS}1,,1,0,2,3,7,0\n0,,1,0,2,3,7,0\n", wanted=TASK)
    assert source.parts[WHOLE].labels.tolist() == [1, 0]


def test_another_column_is_the_label_of_a_user(write):
    source = write(f"{ROWS}1,low,1,0,2,3,7,0\n0,high,1,0,2,3,7,0\n", wanted=TASK, label="other")
    assert source.parts[WHOLE].labels.tolist() == [0, 1]
    assert "columns left out: kind" in source.notes


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "kind,spectrum_0,spectrum_1,spectrum_2,count,a_b\nlow,1,2,3,4,5\nhigh,1,2,3,4,5\n",
            "t.csv has no column 'spectrum_3', which the feature 'spectrum' of the task own needs",
        ),
        (f"{ROWS}low,,1,0,2,3,7.5,0\nhigh,,1,0,2,3,7,0\n", "row 2, column 'count', is 7.5, and"),
        (f"{ROWS}low,,1,0,2,3,1e17,0\nhigh,,1,0,2,3,7,0\n", "row 2, column 'count', is 1e+17, and"),
        (f"{ROWS}low,,1,0,2,3,7,0\nmid,,1,0,2,3,7,0\n", "row 3, column 'kind', is 'mid', which is"),
        (f"{ROWS}1,,1,0,2,3,7,0\n2,,1,0,2,3,7,0\n", "row 3, column 'kind', is '2', which is no"),
        ("sort,a\n1,2\n3,4\n", "the label of the task own is 'kind', and the columns of t.csv are"),
    ],
)
def test_data_of_another_task_than_the_users(write, content, expected):
    assert expected in message(write, content, wanted=TASK)


def test_texts_where_a_user_predicts_a_number(write):
    task = Task("own", (Feature("a"),), "y", Regression())
    expected = "t.csv, row 3, column 'y', is 'x', and the label is to be a number: correct it, or"
    assert expected in message(write, "a,y\n1,2\n1,x\n", wanted=task)


SENTENCES = {
    "text": (
        "a,b,y\n1,2,cat\n3,red,dog\n",
        "t.csv, row 3, column 'b', is 'red', and the model takes numbers: encode categories as "
        "columns of 0 and 1 with pandas.get_dummies(frame, columns=['b'], dtype=float), or as "
        "numbers where they have an order",
    ),
    "date": (
        "a,b,y\n1,2,cat\n3,2020-01-02,dog\n",
        "t.csv, row 3, column 'b', holds a date or time ('2020-01-02'), and the model takes "
        "numbers: make a number of it that matters, such as the month or the days since an event",
    ),
    "decimal comma": (
        "a;b;y\n1;2;cat\n3;1,5;dog\n",
        "t.csv, row 3, column 'b', is '1,5', which is no number: write decimals with a point, and "
        "nothing between thousands",
    ),
    "missing": (
        "a,b,y\n1,,cat\n3,NaN,dog\n4,5,dog\n",
        "t.csv, column 'b', has no value in 2 rows, first in row 2: fill in the missing values, or "
        "drop these rows or the column",
    ),
    "quoted missing": (
        'a,b,y\n"1","2",cat\n"3","",dog\n',
        "t.csv, column 'b', has no value in 1 row, first in row 3: fill in the missing values, or "
        "drop these rows or the column",
    ),
    "missing label": (
        "a,y\n1,cat\n2,\n3,NA\n",
        "t.csv, column 'y', has no value in 2 rows, first in row 3: fill in the missing values, or "
        "drop these rows or the column",
    ),
    "missing number to predict": (
        "a,y\n1,1.5\n2,nan\n",
        "t.csv, column 'y', has no value in 1 row, first in row 3: fill in the missing values, or "
        "drop these rows or the column",
    ),
    "infinite": (
        "a,y\n1,cat\n-inf,dog\n",
        "t.csv, row 3, column 'a', is infinite: correct the value, or drop the row",
    ),
    "infinite label": (
        "a,y\n1,2\n3,inf\n",
        "t.csv, row 3, column 'y', is infinite: correct the value, or drop the row",
    ),
    "too large": (
        "a,y\n1,cat\n1e39,dog\n",
        "t.csv, row 3, column 'a', is 1e+39, and numbers are at most 3.4e+38: scale the column",
    ),
    "too large label": (
        "a,y\n1,1.5\n1,-1e39\n",
        "t.csv, row 3, column 'y', is -1e+39, and numbers are at most 3.4e+38: scale the column",
    ),
    "index": (
        ",a,y\n0,1,2\n1,3,4\n",
        "t.csv has a column without a name, as pandas writes its index: write the table with "
        "index=False, or name the column",
    ),
    "index that was read": ("Unnamed: 0,a,y\n0,1,2\n1,3,4\n", "has a column without a name"),
    "constant label": (
        "a,y\n1,cat\n2,cat\n",
        "t.csv, column 'y', is cat in all 2 rows, so there is nothing to learn: set "
        "task.table.label to another column, or add rows",
    ),
    "constant number": ("a,y\n1,2.5\n2,2.5\n", "t.csv, column 'y', is 2.5 in all 2 rows"),
    "one row": (
        "a,y\n1,cat\n",
        "t.csv has one row below the columns' names: a table of at least two is needed",
    ),
    "no rows": ("a,y\n", "t.csv has no rows below the columns' names"),
    "empty": ("", "t.csv is empty: a row of columns' names and rows are needed"),
    "short row": (
        "a,b,y\n1,2,cat\n3,dog\n",
        "t.csv, row 3, has 2 cells, and the header has 3: correct the row, and quote texts that "
        "hold ','",
    ),
    "long row": ("a,b,y\n1,2,cat\n3,4,5,dog\n", "t.csv, row 3, has 4 cells, and the header has 3"),
    "latin-1": (
        "a,y\n1,caf\xe9\n2,x\n".encode("latin-1"),
        "t.csv is not UTF-8: save the table in this encoding, which spreadsheets call CSV UTF-8",
    ),
    "utf-16": ("a,y\n1,x\n2,z\n".encode("utf-16"), "t.csv is not UTF-8"),
    "latin-1 far below": (
        b"a,y\n" + b"1,x\n" * 400_000 + b"1,caf\xe9\n",
        "t.csv, row 400002, is not UTF-8",
    ),
    "two of a name": ("a,a,y\n1,2,3\n", "t.csv has two columns called 'a': rename or drop one"),
    "no header": (
        "1,2.5,-3\n4,5,6\n",
        "t.csv has no header, its first row holds nothing but numbers: write the columns' names "
        "as the first row",
    ),
    "same feature": (
        "a b,a-b,y\n1,2,3\n",
        "t.csv has the columns 'a b' and 'a-b', which would both be the feature 'a_b': rename one "
        "of them",
    ),
    "same but for case": ("a,A,y\n1,2,3\n", "t.csv has the columns 'a' and 'A', which would both"),
    "no label": (
        "a,b,z\n1,2,3\n",
        "the columns of t.csv are a, b, z, and none of them is called label: set task.table.label "
        "to the column to predict",
    ),
    "two labels": (
        "a,class,y\n1,2,3\n",
        "the columns of t.csv are a, class, y, and class, y may each be the label: set "
        "task.table.label to the column to predict",
    ),
    "one column": (
        "y\n1\n2\n",
        "t.csv has one column, and a table of inputs and a label is needed: separate its columns "
        "by commas, semicolons or tabs",
    ),
    "a text among numbers to predict": (
        "a,y\n1,1.5\n2,2.5\n3,1o\n",
        "t.csv, row 4, column 'y', is '1o', and the label is to be a number: correct it, or "
        "predict classes with task.table.head set to classification",
    ),
    "a class of two lines": (
        'a,y\n1,x\n2,"x\ny"\n',
        "t.csv, row 3, column 'y', is 'x\\ny', which cannot be the name of a class",
    ),
    "too many classes": (
        "a,y\n" + "".join(f"1,t{place}\n" for place in range(1001)),
        "t.csv, column 'y', holds more than 1,000 different texts, such as 't1000', too many for "
        "classes",
    ),
}


@pytest.mark.parametrize("fault", SENTENCES)
def test_a_sentence_for_each_fault(write, fault):
    content, expected = SENTENCES[fault]
    assert message(write, content).startswith(expected) or expected in message(write, content)


def test_settings_that_the_table_does_not_have(write):
    rows = "a,b,y\n1,2,x\n3,4,z\n"
    expected = "task.table.label is 'q', and the columns of t.csv are a, b, y: choose one of them"
    assert message(write, rows, label="q") == expected
    assert "is 'x', and the label is to be a number" in message(write, rows, head="regression")


NOW = datetime.datetime(2020, 1, 2)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (pa.array([[1.0], [2.0]]), "t.parquet, column 'a', holds nested values (list<"),
        (pa.array([{"x": 1}, {"x": 2}]), "t.parquet, column 'a', holds nested values (struct<"),
        (pa.array([NOW, NOW]), "t.parquet, column 'a', holds a date or time (timestamp["),
        (pa.array([b"1", b"2"]), "t.parquet, column 'a', has the type binary: write it as"),
        (pa.array([None, None]), "t.parquet, column 'a', has no value in 2 rows, first in row 1"),
        (pa.array([1, None]), "t.parquet, column 'a', has no value in 1 row, first in row 2"),
        (pa.array([1, float("nan")]), "t.parquet, column 'a', has no value in 1 row, first in row"),
        (pa.array([Decimal("1.5"), None]), "t.parquet, column 'a', has no value in 1 row"),
        (pa.array([1, float("inf")]), "t.parquet, row 2, column 'a', is infinite"),
        (pa.array([1, 1e39]), "t.parquet, row 2, column 'a', is 1e+39"),
        (pa.array(["red", "1"]), "t.parquet, row 1, column 'a', is 'red', and the model takes"),
        (pa.array(["1", "red"]).dictionary_encode(), "t.parquet, row 2, column 'a', is 'red'"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_columns_of_parquet_that_are_no_numbers(write, cells, expected):
    assert message(write, pa.table({"a": cells, "y": [1, 2]}), "t.parquet").startswith(expected)


def test_an_index_in_parquet(tmp_path):
    frame = pd.DataFrame({"a": [1, 2, 3], "y": [0, 1, 0]})
    frame[frame.a > 1].to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"without a name, as pandas writes its index"):
        find({WHOLE: [tmp_path / "t.parquet"]})


def test_a_fault_behind_the_first_block(write):
    rows = 400_000
    content = "a,b,y\n" + "1.25,2,0\n3.25,4,1\n" * (rows // 2)
    expected = f"t.csv, row {rows + 2}, column 'b', is 'x', and the model takes numbers"
    assert message(write, f"{content}5,x,0\n").startswith(expected)
    assert f"row {rows + 2}, has 2 cells" in message(write, f"{content}5,0\n")
    expected = f"column 'b', has no value in 2 rows, first in row {rows + 2}"
    assert expected in message(write, f"{content}5,,0\n5,,1\n")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ("a,b,y\n1,2,3\n", "2.csv has other columns than"),
        ("y,b\n1,2\n", "it lacks 'a'"),
        ("a,z\n1,2\n", "it lacks 'y'"),
    ],
)
def test_files_of_a_table_have_the_same_columns(tmp_path, other, expected):
    files = [tmp_path / "1.csv", tmp_path / "2.csv"]
    files[0].write_text("a,y\n1,2\n", encoding="utf-8")
    files[1].write_text(other, encoding="utf-8")
    with pytest.raises(DataError, match=expected):
        find({WHOLE: files})


def test_a_part_without_rows(tmp_path):
    files = [tmp_path / "1.csv", tmp_path / "2.csv"]
    files[0].write_text("a,y\n1,2\n2,3\n", encoding="utf-8")
    files[1].write_text("a,y\n", encoding="utf-8")
    with pytest.raises(DataError, match="the eval part has no rows below the columns' names"):
        find({"train": files[:1], "eval": files[1:]})


@pytest.mark.parametrize("change", ["longer", "shorter"])
def test_a_file_that_is_changed_while_it_is_read(write, tmp_path, change):
    content = "a,y\n1,0\n2,1\n3,0\n"
    table = write(content).parts[WHOLE]
    changed = content + "4,1\n" if change == "longer" else content[:-4]
    (tmp_path / "t.csv").write_text(changed, encoding="utf-8")
    with pytest.raises(DataError, match="was changed while it was read: run again"):
        read(table)


def test_damaged_files(write):
    rows = b"".join(b"%d,%d\n" % (n, n % 7) for n in range(100_000))
    whole = gzip.compress(b"a,y\n") + gzip.compress(rows)
    assert len(write(whole, "t.csv.gz").parts[WHOLE].labels) == 100_000
    assert "t.csv.gz cannot be read" in message(write, whole[: len(whole) // 2], "t.csv.gz")
    assert "t.parquet is no Parquet file that can be read" in message(
        write, b"PAR1 and no more", "t.parquet"
    )


@pytest.mark.parametrize(
    ("folder", "name"),
    [("wine", "wine"), ("My wine (1)", "My-wine-1"), ("와인", "table"), ("mnist", "table")],
)
def test_the_name_of_the_task(tmp_path, folder, name):
    file = tmp_path / folder / "rows.csv"
    file.parent.mkdir()
    file.write_text("a,y\n1,2\n3,4\n", encoding="utf-8")
    assert find({WHOLE: [file]}).task.name == name
