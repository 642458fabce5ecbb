package com.thorbis.backup.application.platform;

import com.thorbis.backup.application.app.ApplyMode;
import com.thorbis.backup.application.app.ConfigurationPlace;
import com.thorbis.backup.application.app.Document;
import com.thorbis.backup.application.app.Gap;
import com.thorbis.backup.application.app.SecretPlace;
import com.thorbis.backup.application.app.Step;
import com.thorbis.backup.spi.secret.SecretException;
import com.thorbis.backup.spi.secret.SecretInfo;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/** A file of variables: their names, in order. The values are in a backup of secrets. */
public final class EnvFileConfiguration implements ConfigurationPlace {
  private final EnvFileSecrets file;
  private final Optional<SecretPlace> secrets;

  private EnvFileConfiguration(Path file, Optional<SecretPlace> secrets) {
    this.file = EnvFileSecrets.of(file);
    this.secrets = secrets;
  }

  /**
   * Of a file.
   *
   * @param secrets where its values are backed up
   */
  public static EnvFileConfiguration of(Path file, Optional<SecretPlace> secrets) {
    return new EnvFileConfiguration(file, secrets);
  }

  @Override
  public String kind() {
    return EnvFileSecrets.TYPE;
  }

  @Override
  public Reading read() throws IOException {
    List<Document> variables = new ArrayList<>();
    List<Gap> unread = new ArrayList<>();
    for (SecretInfo info : file.list()) {
      Map<String, Object> variable = new LinkedHashMap<>();
      variable.put("name", info.name());
      secrets.ifPresent(place -> variable.put("value", place.reference(info.name())));
      variables.add(Document.of(variable));
      if (secrets.isEmpty()) {
        unread.add(
            Gap.part(
                "value of " + info.name(),
                "application.no-secrets",
                "No source of secrets is named that holds the value of " + info.name(),
                "Back up its values with a source of type secrets, and name it and its place."));
      }
    }
    return new Reading(
        Document.of(Map.of("kind", kind(), "path", file.instance(), "variables", variables)),
        unread);
  }

  @Override
  public List<Step> plan(Document stored, ApplyMode mode) throws IOException {
    Set<String> there = new TreeSet<>();
    try {
      file.list().forEach(info -> there.add(info.name()));
    } catch (SecretException e) {
      if (!e.code().equals(SecretException.NO_SUCH_PLACE)) {
        throw e;
      }
    }
    List<Step> steps = new ArrayList<>();
    for (Document one : stored.list("variables")) {
      String name = one.require("name");
      Document secret = one.object("value").object("secret");
      steps.add(
          there.remove(name)
              ? Step.none(
                  name, Step.Action.SAME, "is there; its value is compared by secrets restore")
              : Step.none(
                  name,
                  Step.Action.BY_HAND,
                  secret.text("source").isPresent()
                      ? "run "
                          + new SecretPlace(secret.require("source"), secret.require("place"))
                              .command(secret.require("name"))
                      : "has its value in no backup of secrets"));
    }
    for (String name : there) {
      steps.add(
          Step.none(name, Step.Action.ONLY_THERE, "is not in the backup, and is not deleted"));
    }
    return steps;
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
