"""Mean, highest and number of the temperatures of each ward: CSV files in, one Parquet file and a summary out."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

READINGS, RESULT = "/data/readings", "/data/result"


def main() -> None:
    spark = (
        SparkSession.builder.master("local[2]")
        .appName("temperatures")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "512m")
        .config("spark.sql.shuffle.partitions", "4")
        .getOrCreate()
    )
    readings = spark.read.csv(f"{READINGS}/*.csv", header=True, schema="patient string, ward int, temperature double")
    wards = readings.groupBy("ward").agg(
        f.count("*").alias("readings"), f.max("temperature").alias("highest"), f.avg("temperature").alias("mean")
    )
    wards.coalesce(1).write.mode("overwrite").parquet(f"{RESULT}/wards")
    summary = spark.read.parquet(f"{RESULT}/wards").orderBy("ward")
    lines = [f"{row.ward},{row.readings},{row.highest:.1f},{row.mean:.2f}" for row in summary.collect()]
    with open(f"{RESULT}/summary.csv", "w") as file:
        file.write("\n".join(["ward,readings,highest,mean", *lines, ""]))
    spark.stop()


if __name__ == "__main__":
    main()
