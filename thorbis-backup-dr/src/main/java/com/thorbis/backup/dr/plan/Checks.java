package com.thorbis.backup.dr.plan;

import java.util.ArrayList;
import java.util.List;

/** Holds a draft against itself and against what was measured. */
final class Checks {
  private final PlanDraft draft;
  private final List<Finding> findings;
  private final List<Validation.Prediction> predictions = new ArrayList<>();

  Checks(PlanDraft draft, PlanFacts facts) {
    this.draft = draft;
    this.findings = new ArrayList<>(draft.unread());
  }

  List<Finding> findings() {
    return findings;
  }

  List<Validation.Prediction> predictions() {
    return predictions;
  }

  void run() {}
}
