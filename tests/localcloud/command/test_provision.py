import io
import os
import zipfile
from pathlib import Path

from localcloud.launcher.archive import zip_package
from localcloud.launcher.provision import code_objects


def make_package(root: Path) -> Path:
    package = root / "landfall_spark"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "a.py").write_text("A = 1\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_bytes(b"x")
    return package


def test_equal_sources_make_equal_bytes(tmp_path: Path) -> None:
    first, second = make_package(tmp_path / "one"), make_package(tmp_path / "two")
    os.utime(second / "inner" / "a.py", (1, 1))
    (second / "inner" / "a.py").chmod(0o755)
    assert zip_package(first) == zip_package(second)
    (second / "inner" / "a.py").write_text("A = 2\n")
    assert zip_package(first) != zip_package(second)


def test_the_archive_holds_the_package_and_nothing_compiled(tmp_path: Path) -> None:
    archive = zipfile.ZipFile(io.BytesIO(zip_package(make_package(tmp_path))))
    assert archive.namelist() == ["landfall_spark/__init__.py", "landfall_spark/inner/a.py"]


def test_the_job_is_a_main_file_and_its_package(tmp_path: Path) -> None:
    make_package(tmp_path)
    (tmp_path / "csv_to_parquet.py").write_text("main\n")
    objects = code_objects(tmp_path)
    assert list(objects) == ["spark_jobs/csv_to_parquet.py", "spark_jobs/landfall_spark.zip"]
    assert objects["spark_jobs/csv_to_parquet.py"] == b"main\n"
