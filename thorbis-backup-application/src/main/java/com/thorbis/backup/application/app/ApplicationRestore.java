package com.thorbis.backup.application.app;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.BackupId;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.repository.BackupReader;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** A backup of an application that is being restored: a plan first. Used by one thread. */
public final class ApplicationRestore implements AutoCloseable {
  private final BackupReader reader;
  private final List<Part> parts;
  private final RestoreWish wish;

  ApplicationRestore(BackupReader reader, List<Part> parts, RestoreWish wish) {
    this.reader = reader;
    this.parts = parts;
    this.wish = wish;
  }

  /**
   * A component and what the backup has of it.
   *
   * @param component empty if the source names none, or what it names cannot be opened
   * @param unusable why it cannot be opened
   * @param stored empty if it has nothing
   */
  record Part(
      String name,
      Optional<Component> component,
      Optional<Gap> unusable,
      Optional<StoredComponent> stored) {}

  /** What came of a step. Constants may be added. */
  public enum Done {
    /** It was done. */
    DONE("done"),
    /** Nothing had to be done, or nothing was to be done. */
    LEFT("left"),
    /** Somebody has to do it. */
    BY_HAND("by-hand"),
    /** It could not be done. */
    FAILED("failed");

    private final String label;

    Done(String label) {
      this.label = label;
    }

    /** The name in results; never changes. */
    public String label() {
      return label;
    }
  }

  /**
   * What came of a step.
   *
   * @param step which
   * @param done how it ended
   * @param code of a failure; else empty
   * @param message in words
   * @param remedy what can be done about it; may be empty
   */
  public record Result(Step step, Done done, String code, String message, String remedy) {}

  /** The backup. */
  public BackupId backup() {
    return reader.descriptor().id();
  }

  /**
   * What would be done. Changes nothing.
   *
   * @throws BackupException {@code application.folder-not-empty} if the folder holds something
   */
  public List<Step> plan() throws IOException {
    if (wish.into().isPresent()) {
      requireEmpty(wish.into().get());
    }
    List<Step> steps = new ArrayList<>();
    for (Part part : parts) {
      if (part.stored().isEmpty()) {
        steps.add(
            Step.none(
                part.name(), Step.Action.UNAVAILABLE, "is not in this backup: take another one"));
      } else if (part.unusable().isPresent()) {
        steps.add(unusable(part.name(), part.unusable().get()));
      } else if (part.component().isEmpty()) {
        steps.add(
            Step.none(
                part.name(),
                Step.Action.UNAVAILABLE,
                "is in this backup, and the source names no such component: add it"));
      } else {
        steps.addAll(plan(part.name(), part.component().get(), part.stored().get()));
      }
    }
    return steps;
  }

  /** One that cannot be planned stops no other. */
  private List<Step> plan(String name, Component component, StoredComponent stored) {
    try {
      return component.plan(stored, wish).stream().map(step -> step.of(name)).toList();
    } catch (IOException | RuntimeException e) {
      return List.of(unusable(name, Gap.of(name, e)));
    }
  }

  private static Step unusable(String name, Gap why) {
    return Step.none(
        name,
        Step.Action.UNAVAILABLE,
        "cannot be restored now: " + why.message() + ": " + why.remedy());
  }

  private static void requireEmpty(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    boolean empty = false;
    if (Files.isDirectory(folder)) {
      try (Stream<Path> content = Files.list(folder)) {
        empty = content.findAny().isEmpty();
      }
    }
    if (!empty) {
      throw BackupException.of(
              "application.folder-not-empty",
              FailureKind.REFUSED,
              folder + " is not an empty folder: nothing was laid there")
          .remedy("Name a new or empty one.")
          .build();
    }
  }

  /** Does the steps, in order. One that fails stops no other; those after it may fail in turn. */
  public List<Result> run(List<Step> plan, RunControl control) {
    List<Result> results = new ArrayList<>();
    for (Step step : plan) {
      control.cancellation().check();
      if (step.work().isEmpty()) {
        Done done =
            switch (step.action()) {
              case UNAVAILABLE -> Done.FAILED;
              case BY_HAND -> Done.BY_HAND;
              default -> Done.LEFT;
            };
        String code = done == Done.FAILED ? "application.unavailable" : "";
        results.add(new Result(step, done, code, step.reason(), ""));
        continue;
      }
      try {
        results.add(new Result(step, Done.DONE, "", step.work().get().run(), ""));
      } catch (IOException | RuntimeException e) {
        Gap why = Gap.of(step.subject(), e);
        results.add(new Result(step, Done.FAILED, why.code(), why.message(), why.remedy()));
      }
    }
    return results;
  }

  @Override
  public void close() throws IOException {
    reader.close();
  }
}
