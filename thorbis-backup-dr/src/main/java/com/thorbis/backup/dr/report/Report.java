package com.thorbis.backup.dr.report;

import com.thorbis.backup.api.ThorbisBackup;
import com.thorbis.backup.dr.evidence.EvidenceChain;
import com.thorbis.backup.dr.evidence.EvidenceLog;
import com.thorbis.backup.dr.evidence.EvidenceRecord;
import com.thorbis.backup.dr.internal.CanonicalJson;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.RunFact;
import com.thorbis.backup.spi.crypto.Signer;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How backups and recovery stand, over everything that was expected in a period: what there is no
 * evidence for is missing. Says what evidence there is, and never that anybody complies.
 */
public final class Report {
  private final Fields observed;
  private final EvidenceChain chain;
  private final Fields controls;
  private final Duration keep;
  private final Map<String, Object> figures;

  private Report(Fields observed, EvidenceChain chain, Fields controls, Duration keep) {
    this.observed = observed;
    this.chain = chain;
    this.controls = controls;
    this.keep = keep;
    this.figures =
        CanonicalJson.copy(Figures.of(observed.json(), chain.records(), controls.json()));
  }

  /** A report on what a host protects. */
  public static Builder builder(ThorbisBackup backup, EvidenceLog evidence) {
    return new Builder(backup, evidence);
  }

  /** Collects what a report is about. */
  public static final class Builder {
    private final ThorbisBackup backup;
    private final EvidenceLog evidence;
    private final List<Map<String, Object>> alarms = new ArrayList<>();
    private final List<RunFact> runs = new ArrayList<>();
    private Duration period = Duration.ofDays(31);
    private Clock clock = Clock.systemUTC();
    private String actor = String.valueOf(System.getProperty("user.name"));
    private String product = "unknown";
    private boolean alarmsLooked;

    private Builder(ThorbisBackup backup, EvidenceLog evidence) {
      this.backup = backup;
      this.evidence = evidence;
    }

    /** How far back it looks. */
    public Builder period(Duration back) {
      if (back.isNegative() || back.isZero()) {
        throw new IllegalArgumentException("No period: " + back);
      }
      this.period = back;
      return this;
    }

    /** That alarms were looked for; each is added next. */
    public Builder alarmsLooked() {
      this.alarmsLooked = true;
      return this;
    }

    /**
     * An alarm that there is.
     *
     * @param acknowledgedBy who sees to it, if anybody does
     */
    public Builder alarm(Alarm alarm, @Nullable String acknowledgedBy) {
      Map<String, Object> json = new LinkedHashMap<>();
      json.put("code", alarm.kind().code());
      json.put("severity", alarm.severity().label());
      json.put("subject", alarm.subject());
      json.put("found", alarm.found());
      alarm.since().ifPresent(it -> json.put("since", it.toString()));
      if (acknowledgedBy != null) {
        json.put("acknowledgedBy", acknowledgedBy);
      }
      alarms.add(json);
      return this;
    }

    /** Backups that were tried on this host, for those that failed. */
    public Builder runs(List<RunFact> tried) {
      runs.addAll(tried);
      return this;
    }

    /** The time. */
    public Builder clock(Clock now) {
      this.clock = now;
      return this;
    }

    /** Who wants it. */
    public Builder actor(String name) {
      this.actor = name;
      return this;
    }

    /** What made it. */
    public Builder product(String version) {
      this.product = version;
      return this;
    }

    /** Looks at everything, and writes nothing. */
    public Report build(RunControl control) throws IOException {
      EvidenceChain chain = evidence.read();
      Map<String, Object> observed =
          new Observation(backup, chain, clock, control).observe(period, actor, product, evidence);
      observed.put("alarmsLooked", alarmsLooked);
      observed.put("alarms", alarms);
      observed.put(
          "failures",
          runs.stream()
              .filter(run -> !run.succeeded())
              .map(
                  run ->
                      Map.of(
                          "source", run.source(),
                          "at", run.endedAt().toString(),
                          "outcome", run.outcome()))
              .toList());
      return of(observed, chain.records(), Controls.builtIn(), evidence.keep());
    }
  }

  static Report of(
      Map<String, Object> observed,
      List<EvidenceRecord> records,
      Map<String, Object> controls,
      Duration keep) {
    Fields own = new Fields(CanonicalJson.copy(observed));
    // What does not count in the repository is no part of a report; what it leaves missing shows.
    EvidenceChain chain =
        EvidenceChain.of(
            own.require("repository"),
            records.stream()
                .map(record -> new EvidenceChain.Found(record.id(), record.bytes()))
                .toList(),
            keep);
    return new Report(own, chain, new Fields(CanonicalJson.copy(controls)), keep);
  }

  Fields observed() {
    return observed;
  }

  EvidenceChain chain() {
    return chain;
  }

  Fields controls() {
    return controls;
  }

  Fields figures() {
    return new Fields(figures);
  }

  Duration keep() {
    return keep;
  }

  /** Whether there is evidence in time for all that was expected. */
  public boolean met() {
    return figures().text("verdict").equals(Optional.of("met"));
  }

  /** Whether all was looked at for alarms; else that there is none of something says nothing. */
  public boolean alarmsLooked() {
    return observed.flag("alarmsLooked")
        && observed.objects("alarms").stream()
            .noneMatch(one -> one.text("code").equals(Optional.of(AlarmKind.NOT_LOOKED.code())));
  }

  /** What is to be said of the period, in words. */
  public String why() {
    return String.join(
        "; ", figures().objects("reasons").stream().map(reason -> reason.require("why")).toList());
  }

  /**
   * What a record of kind {@code waiver} may be about, as the report calls it: {@code backup
   * orders}, or {@code SOC 2 A1.2}.
   */
  public Set<String> waivable() {
    Set<String> names = new LinkedHashSet<>();
    Instant to = observed.moment("to").orElseThrow(IllegalArgumentException::new);
    Instant from = observed.moment("from").orElseThrow(IllegalArgumentException::new);
    for (InForce stretch : InForce.of(chain.records(), from, to)) {
      for (Population.Source source : stretch.sources().values()) {
        if (!source.due().isEmpty()) {
          names.add("backup " + source.name());
        }
        if (source.drillEvery().isPresent()) {
          names.add("drill " + source.name());
        }
      }
      stretch.exercises().keySet().forEach(id -> names.add("exercise " + id));
    }
    observed.objects("alarms").forEach(alarm -> names.add("alarm " + alarm.require("subject")));
    controls
        .objects("controls")
        .forEach(one -> names.add(one.require("framework") + " " + one.require("id")));
    return names;
  }

  /** What the report says, in the form of RFC 8785. */
  public byte[] json() {
    return CanonicalJson.encode(figures);
  }

  /** A page for people: one file that needs nothing else and runs nothing. */
  public String html() {
    return new HtmlPage(this).page();
  }

  /**
   * Everything in one file, for {@link Verification}: the records, what was observed, what
   * standards ask, the report and its page, and a manifest with their digests.
   *
   * @param signer signs the manifest; without one, the bundle proves nothing
   */
  public byte[] bundle(Optional<Signer> signer) throws IOException {
    return Bundle.write(this, signer);
  }
}
