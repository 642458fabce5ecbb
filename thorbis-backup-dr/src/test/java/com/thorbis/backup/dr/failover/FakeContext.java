package com.thorbis.backup.dr.failover;

import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What a run would tell a step. */
final class FakeContext implements StepContext {
  final Map<String, Map<String, String>> facts = new HashMap<>();
  int attempt;
  @Nullable String confirmedBy;

  private final Task task;

  FakeContext(Task task) {
    this.task = task;
  }

  @Override
  public String run() {
    return "incident-1";
  }

  @Override
  public Task task() {
    return task;
  }

  @Override
  public Instant now() {
    return Instant.parse("2030-01-01T00:00:00Z");
  }

  @Override
  public long fence() {
    return 1;
  }

  @Override
  public String key() {
    return "incident-1/" + task.id();
  }

  @Override
  public int attempt() {
    return attempt;
  }

  @Override
  public boolean started() {
    return false;
  }

  @Override
  public boolean returned() {
    return false;
  }

  @Override
  public Optional<Instant> waitingSince() {
    return Optional.empty();
  }

  @Override
  public Optional<Instant> waitingUntil() {
    return Optional.empty();
  }

  @Override
  public Optional<String> confirmedBy() {
    return Optional.ofNullable(confirmedBy);
  }

  @Override
  public Map<String, String> facts(String step) {
    return facts.getOrDefault(step, Map.of());
  }
}
