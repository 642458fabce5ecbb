package com.thorbis.backup.dr.plan;

import com.thorbis.backup.dr.plan.Finding.Position;
import com.thorbis.backup.dr.plan.Finding.Severity;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Collects what is found in a draft, each with the place where it stands. */
final class Report {
  private final PlanDraft draft;
  private final List<Finding> findings;

  Report(PlanDraft draft) {
    this.draft = draft;
    this.findings = new ArrayList<>(draft.unread());
  }

  List<Finding> findings() {
    return findings;
  }

  void add(Rule rule, String path, String message, String remedy) {
    add(rule, path, message, rule.because(), remedy);
  }

  void add(Rule rule, String path, String message, String reason, String remedy) {
    Severity severity = rule.unchecked() && draft.strict() ? Severity.ERROR : rule.severity();
    findings.add(rule.finding(severity, path, message, reason, remedy, position(path)));
  }

  /** The nearest part around it that has a place. */
  private @Nullable Position position(String path) {
    for (String at = path; !at.isEmpty(); at = outer(at)) {
      Position found = draft.positions().get(at);
      if (found != null) {
        return found;
      }
    }
    return draft.positions().get("");
  }

  private static String outer(String path) {
    return path.substring(0, Math.max(0, Math.max(path.lastIndexOf('.'), path.lastIndexOf('['))));
  }
}
