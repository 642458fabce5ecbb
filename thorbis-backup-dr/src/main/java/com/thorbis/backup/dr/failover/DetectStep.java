package com.thorbis.backup.dr.failover;

import com.thorbis.backup.dr.run.Result;
import com.thorbis.backup.dr.run.Step;
import com.thorbis.backup.dr.run.StepContext;
import com.thorbis.backup.dr.run.Task;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Establishes that something is down. */
record DetectStep(Task task, Detector detector, Optional<Failover> failover) implements Step {
  /** What was seen before this run does not count for it. */
  @Override
  public Result check(StepContext context) throws InterruptedException {
    return context.attempt() == 0 ? Result.notDone("was not looked at in this run") : decide();
  }

  @Override
  public Result execute(StepContext context) throws InterruptedException {
    return decide();
  }

  /** It was looked at often enough; that it is back meanwhile is for the fence to find. */
  @Override
  public Result verify(StepContext context) {
    return Result.done("was established");
  }

  private Result decide() throws InterruptedException {
    Detector.Verdict verdict = detector.decide();
    Map<String, String> facts = new TreeMap<>();
    facts.put(FailoverFacts.VERDICT, verdict.reading().label());
    failover.ifPresent(has -> facts.put(FailoverFacts.SERVER, has.server(Failover.PRIMARY).name()));
    verdict.signals().forEach((id, seen) -> facts.put("signal/" + id, seen.reading().label()));
    Result result =
        switch (verdict.reading()) {
          case DOWN -> Result.done(verdict.toString());
          case UP -> Result.failed(verdict.toString());
          case CANNOT_TELL -> Result.unknown(verdict.toString());
        };
    return result.with(facts);
  }

  @Override
  public String intent() {
    return "establish that "
        + failover.map(has -> has.server(Failover.PRIMARY).toString()).orElse(task.title())
        + " is down: "
        + detector;
  }
}
