"""pandas, pyarrow and Dask on a volume, with no mount; readers beside a writer."""

from __future__ import annotations

from pathlib import Path

import dask
import dask.dataframe
import pandas
import pyarrow as pa
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet
import pytest

from casemate.errors import VolumeTamperedError
from casemate.volume import key
from casemate.volume.filesystem import CasemateFileSystem

from .conftest import Sealed, python

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword")
"""Of Dask about pandas."""

TABLE = pandas.DataFrame({"number": range(10_000), "word": [f"word {number % 7}" for number in range(10_000)]})


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CasemateFileSystem.clear_instance_cache()


def test_pandas(sealed: Sealed) -> None:
    TABLE.to_parquet("casemate:///table.parquet", storage_options=sealed.writing_options)
    TABLE.to_csv("casemate:///table.csv.gz", index=False, storage_options=sealed.writing_options)
    for options in (sealed.options, sealed.writing_options):
        assert pandas.read_parquet("casemate:///table.parquet", storage_options=options).equals(TABLE)
        assert pandas.read_csv("casemate:///table.csv.gz", storage_options=options).equals(TABLE)
    one = pandas.read_parquet("casemate:///table.parquet", columns=["number"], storage_options=sealed.options)
    assert list(one.columns) == ["number"]


def test_pandas_in_another_process_beside_the_writer(sealed: Sealed) -> None:
    TABLE.to_parquet("casemate:///table.parquet", storage_options=sealed.writing_options)
    code = """
import pandas
print(pandas.read_parquet("casemate:///table.parquet", storage_options=sealed.options).number.sum())
try: pandas.DataFrame({"a": [1]}).to_parquet("casemate:///more.parquet", storage_options=sealed.writing_options)
except Exception as error: print(type(error).__name__)
"""
    assert python(sealed, code) == f"{TABLE.number.sum()}\nVolumeInUseError\n"


def test_what_is_written_with_a_reading_instance_is_refused(sealed: Sealed) -> None:
    with pytest.raises(OSError, match='"access": "write"'):
        TABLE.to_parquet("casemate:///table.parquet", storage_options=sealed.options)


def test_pyarrow_datasets(sealed: Sealed) -> None:
    writing, reading = CasemateFileSystem(**sealed.writing_options), CasemateFileSystem(**sealed.options)
    table = pa.Table.from_pandas(TABLE)
    pa.dataset.write_dataset(table, "/set", format="parquet", partitioning=["word"], filesystem=writing)
    for filesystem in (writing, reading, pa.fs.PyFileSystem(pa.fs.FSSpecHandler(reading))):
        found = pa.dataset.dataset("/set", format="parquet", partitioning=["word"], filesystem=filesystem)
        assert len(found.files) == 7
        assert found.to_table(filter=pa.dataset.field("number") < 100).num_rows == 100
        assert sorted(found.to_table().column("number").to_pylist()) == list(range(10_000))
    pa.dataset.write_dataset(
        table, "/set", format="parquet", partitioning=["word"], filesystem=writing,
        existing_data_behavior="delete_matching",
    )  # fmt: skip
    assert pa.parquet.ParquetDataset("/set", filesystem=reading).read().num_rows == 10_000


def test_dask_with_threads(sealed: Sealed) -> None:
    parts = dask.dataframe.from_pandas(TABLE, npartitions=8)
    parts.to_parquet("casemate:///parts", storage_options=sealed.writing_options)
    for options in (sealed.options, sealed.writing_options):
        found = dask.dataframe.read_parquet("casemate:///parts", storage_options=options)
        assert found.number.sum().compute(scheduler="threads", num_workers=8) == TABLE.number.sum()


def test_dask_with_processes_beside_the_writer(sealed: Sealed) -> None:
    """Workers are other processes: they get the options, and open the volume for reading."""
    parts = dask.dataframe.from_pandas(TABLE, npartitions=4)
    parts.to_parquet("casemate:///parts", storage_options=sealed.writing_options)
    found = dask.dataframe.read_parquet("casemate:///parts", storage_options=sealed.options)
    assert found.number.sum().compute(scheduler="processes", num_workers=2) == TABLE.number.sum()


def test_bytes_that_were_changed_reach_no_table(sealed: Sealed) -> None:
    writing = CasemateFileSystem(**sealed.writing_options)
    TABLE.to_parquet("casemate:///table.parquet", storage_options=sealed.writing_options)
    writing.close()
    segment = sealed.folder / "segment-00000000"
    data = bytearray(segment.read_bytes())
    for at in range(0, len(data), 4096):
        data[at] ^= 1
    segment.write_bytes(data)
    with pytest.raises(VolumeTamperedError):
        pandas.read_parquet("casemate:///table.parquet", storage_options=sealed.options)


def test_a_wrong_key_is_said_where_the_table_is_read(sealed: Sealed, tmp_path: Path) -> None:
    key.create(tmp_path / "other")
    with pytest.raises(VolumeTamperedError, match="not its key"):
        pandas.read_parquet("casemate:///a", storage_options={**sealed.options, "key_file": str(tmp_path / "other")})
