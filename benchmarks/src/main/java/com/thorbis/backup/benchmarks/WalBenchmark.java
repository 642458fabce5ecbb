package com.thorbis.backup.benchmarks;

import com.thorbis.backup.api.ClusterIdentity;
import com.thorbis.backup.api.Lsn;
import com.thorbis.backup.api.Timeline;
import com.thorbis.backup.api.WalSegmentSize;
import com.thorbis.backup.postgres.wal.WalReader;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** Following the log: operations a second are MiB a second. */
@State(Scope.Thread)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class WalBenchmark {
  private static final long SYSTEM = 7_000_000_000_000_000_001L;
  private static final int MEBIBYTES = 16;
  private static final Lsn START = new Lsn((long) MEBIBYTES << 20);

  private final ClusterIdentity cluster = new ClusterIdentity(SYSTEM, 15, WalSegmentSize.DEFAULT);
  private final byte[] segment = new Segment(SYSTEM, START.value(), MEBIBYTES << 20).fill();

  /** A segment, every record of it checked. */
  @Benchmark
  @OperationsPerInvocation(MEBIBYTES)
  public Lsn parse() {
    WalReader reader = new WalReader(cluster, new Timeline(1), START);
    reader.feed(segment, 0, segment.length);
    if (reader.stop().map(WalReader.Stop::damage).orElse(false)) {
      throw new IllegalStateException(reader.stop().toString());
    }
    return reader.position();
  }
}
