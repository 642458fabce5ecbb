package com.thorbis.backup.dr.plan;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.internal.Sha256;
import com.thorbis.backup.dr.run.RunPlan;
import com.thorbis.backup.spi.Names;
import java.util.List;

/** A plan that can work, as far as arithmetic tells. Comes from {@link Validation#require}. */
public final class RecoveryPlan {
  private final PlanDraft content;
  private final List<Finding> warnings;
  private final String canonical;

  RecoveryPlan(PlanDraft content, List<Finding> warnings) {
    this.content = content;
    this.warnings = List.copyOf(warnings);
    this.canonical = Canonical.text(content);
  }

  /** What it says. */
  public PlanDraft content() {
    return content;
  }

  /** Its stable id. */
  public String id() {
    return content.id();
  }

  /** Counted up by whoever changes it. */
  public int version() {
    return content.version();
  }

  /** What somebody has to look at. */
  public List<Finding> warnings() {
    return warnings;
  }

  /** A scenario by its stable id. */
  public Scenario scenario(String id) {
    return content.scenarios().stream()
        .filter(scenario -> scenario.id().equals(id))
        .findFirst()
        .orElseThrow(
            () -> missing("scenario", id, content.scenarios().stream().map(Scenario::id).toList()));
  }

  /** A procedure by its stable id. */
  public Procedure procedure(String id) {
    return content.procedures().stream()
        .filter(procedure -> procedure.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                missing(
                    "procedure", id, content.procedures().stream().map(Procedure::id).toList()));
  }

  /**
   * What is carried out about an incident.
   *
   * @throws BackupException of kind CONFIGURATION if the plan has no answer, or several
   */
  public RunPlan runPlan(Incident incident) {
    return RunPlans.of(this, incident);
  }

  /**
   * What leads back to how it was before an incident, once that was recovered from.
   *
   * @throws BackupException of kind CONFIGURATION if the plan has no way back
   */
  public RunPlan failbackPlan(Incident incident) {
    return RunPlans.back(this, incident);
  }

  /** Everybody that an owner or approver stands for. */
  public List<Person> people(String personOrRole) {
    return content.people().stream()
        .filter(person -> person.id().equals(personOrRole) || person.roles().contains(personOrRole))
        .toList();
  }

  /**
   * The same text for every plan that says the same, whatever it was read from. {@link PlanReader}
   * reads it.
   */
  public String canonical() {
    return canonical;
  }

  /** SHA-256 of {@link #canonical}, in lower-case hexadecimal. */
  public String digest() {
    return Sha256.hex(canonical);
  }

  private BackupException missing(String what, String id, List<String> known) {
    return BackupException.of(
            "plan.no-such-" + what,
            FailureKind.NOT_FOUND,
            "Plan " + id() + " has no " + what + " \"" + id + "\"")
        .remedy(
            Names.nearest(id, known)
                .map(near -> "Did you mean " + near + "?")
                .orElse("It has " + String.join(", ", known) + "."))
        .build();
  }
}
