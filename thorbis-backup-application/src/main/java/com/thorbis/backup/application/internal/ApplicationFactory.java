package com.thorbis.backup.application.internal;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.application.app.ApplicationEngine;
import com.thorbis.backup.application.app.ApplicationType;
import com.thorbis.backup.application.app.Artifacts;
import com.thorbis.backup.application.app.Component;
import com.thorbis.backup.application.app.Configuration;
import com.thorbis.backup.application.app.ConfigurationPlace;
import com.thorbis.backup.application.app.GitSource;
import com.thorbis.backup.application.app.ListedFiles;
import com.thorbis.backup.application.app.SecretPlace;
import com.thorbis.backup.application.platform.EnvFileConfiguration;
import com.thorbis.backup.application.platform.SupabaseConfiguration;
import com.thorbis.backup.application.platform.VercelConfiguration;
import com.thorbis.backup.application.platform.VercelDeployment;
import com.thorbis.backup.spi.Names;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.spi.engine.SourceEngine;
import com.thorbis.backup.spi.engine.SourceEngineFactory;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * Opens applications. Below the name of each component stand its settings, or {@code none} instead;
 * they are read when the component is needed.
 *
 * <ul>
 *   <li>{@code source}: {@code repository}, {@code branch}, {@code user}, {@code token}, {@code
 *       ssh-key}, {@code ssh-passphrase}, {@code known-hosts}, {@code submodules}, {@code
 *       submodules-below}, {@code credentials.HOST} with {@code user} and {@code token}, {@code
 *       tree}, {@code tree-exclude}, {@code timeout}
 *   <li>{@code configuration.NAME}: {@code kind}, and what belongs to it
 *   <li>{@code artifacts}: {@code folder}, {@code include}, {@code lock-files}
 *   <li>{@code deployment}: {@code kind}, which is {@code vercel}, {@code project}, {@code team}
 *       and a connection
 *   <li>{@code files}: a source
 * </ul>
 */
public abstract class ApplicationFactory implements SourceEngineFactory {
  private static final String NONE = "none";
  private static final String USER = "x-access-token";
  private static final List<String> PLACES =
      List.of(VercelConfiguration.KIND, SupabaseConfiguration.KIND, "env-file", "files");

  private final ApplicationType type;

  ApplicationFactory(ApplicationType type) {
    this.type = type;
  }

  /** Opens {@code nextjs}. */
  public static final class NextJs extends ApplicationFactory {
    /** For the service loader. */
    public NextJs() {
      super(ApplicationType.NEXTJS);
    }
  }

  /** Opens {@code static}. */
  public static final class StaticSite extends ApplicationFactory {
    /** For the service loader. */
    public StaticSite() {
      super(ApplicationType.STATIC);
    }
  }

  /** Opens {@code api}. */
  public static final class Api extends ApplicationFactory {
    /** For the service loader. */
    public Api() {
      super(ApplicationType.API);
    }
  }

  @Override
  public String type() {
    return type.label();
  }

  @Override
  public SourceEngine open(String name, ProviderContext context) {
    Settings settings = context.settings();
    ApplicationEngine.Builder engine = ApplicationEngine.builder(name, type).clock(context.clock());
    for (String component : ApplicationType.COMPONENTS) {
      boolean detailed = settings.keys().stream().anyMatch(key -> key.startsWith(component + "."));
      Optional<String> word = settings.find(component);
      if (word.isPresent() && (detailed || !component.equals("files") && !isNone(word.get()))) {
        throw invalid(
            settings.describe(component) + ": \"" + word.get() + "\" says nothing of it",
            "Write its settings below it, or " + NONE + ".");
      }
      if (word.isPresent()) {
        if (isNone(word.get())) {
          engine.none(component);
        } else {
          engine.files(word.get());
        }
      } else if (detailed && !component.equals("files")) {
        if (component.equals("configuration")) {
          Configuration configuration = configuration(context);
          engine.component(component, () -> configuration);
        } else {
          PartContext part = new PartContext(context, component + ".");
          engine.component(component, () -> component(component, part));
        }
      }
    }
    return engine.build();
  }

  private static boolean isNone(String word) {
    return word.equals(NONE);
  }

  private static BackupException invalid(String problem, String remedy) {
    return BackupException.of("configuration.invalid", FailureKind.CONFIGURATION, problem)
        .remedy(remedy)
        .build();
  }

  private static Component component(String name, PartContext part) {
    Settings settings = part.settings();
    Component component =
        switch (name) {
          case "source" -> source(part);
          case "artifacts" ->
              Artifacts.of(
                  path(settings, "folder", settings.require("folder")),
                  settings.require("include"),
                  settings.find("lock-files").map(ApplicationFactory::list).orElse(List.of()));
          default -> deployment(part);
        };
    settings.requireAllRead();
    return component;
  }

  private static GitSource source(PartContext part) {
    Settings settings = part.settings();
    GitSource.Builder source =
        GitSource.builder(settings.require("repository"), part.stateDirectory())
            .timeout(settings.duration("timeout", Duration.ofMinutes(1)));
    settings.find("branch").ifPresent(source::branch);
    String user = settings.find("user").orElse(USER);
    Optional<SecretValue> token = settings.findSecret("token");
    token.ifPresent(value -> source.token(user, value));
    for (String host : hosts(settings)) {
      String prefix = "credentials." + host + ".";
      String name = settings.find(prefix + "user").orElse(USER);
      settings
          .findSecret(prefix + "token")
          .ifPresent(value -> source.credential(host, name, value));
    }
    // On a machine that restores, what is not there is not needed.
    Optional<SecretValue> key = settings.findSecret("ssh-key");
    Optional<SecretValue> passphrase = settings.findSecret("ssh-passphrase");
    Optional<String> known = settings.find("known-hosts");
    if (key.isPresent() && known.isPresent()) {
      source.ssh(key.get(), passphrase, known.get());
    }
    source.submodules(settings.flag("submodules", true));
    settings
        .find("submodules-below")
        .ifPresent(text -> source.submodulesBelow(path(settings, "submodules-below", text)));
    String excluded = settings.find("tree-exclude").orElse(GitSource.EXCLUDED);
    if (settings.flag("tree", false)) {
      source.tree(excluded);
    }
    return source.build();
  }

  /** The hosts below {@code credentials}; their names have dots, as keys have. */
  private static Set<String> hosts(Settings settings) {
    Set<String> hosts = new TreeSet<>();
    for (String key : settings.keys()) {
      if (key.startsWith("credentials.") && key.lastIndexOf('.') > "credentials.".length()) {
        hosts.add(key.substring("credentials.".length(), key.lastIndexOf('.')));
      }
    }
    return hosts;
  }

  private static Component deployment(PartContext part) {
    Settings settings = part.settings();
    String kind = settings.require("kind");
    if (!kind.equals(VercelConfiguration.KIND)) {
      throw invalid(
          settings.describe("kind") + ": there is no \"" + kind + "\"",
          "Write " + VercelConfiguration.KIND + ", or deployment: " + NONE + ".");
    }
    String project = settings.require("project");
    Optional<String> team = settings.find("team");
    return Connections.open(part, connection -> VercelDeployment.of(connection, project, team));
  }

  private static Configuration configuration(ProviderContext context) {
    Configuration configuration = new Configuration();
    Set<String> names = new TreeSet<>();
    for (String key : context.settings().keys()) {
      if (key.startsWith("configuration.")) {
        names.add(key.split("\\.", -1)[1]);
      }
    }
    for (String name : names) {
      PartContext part = new PartContext(context, "configuration." + name + ".");
      if (!name.matches("[a-z0-9][a-z0-9_-]*")) {
        throw invalid(
            context.settings().describe("configuration." + name) + " is no name",
            "Take one of a-z, 0-9, \"-\" and \"_\".");
      }
      String kind = part.settings().require("kind");
      if (!PLACES.contains(kind)) {
        throw invalid(
            part.settings().describe("kind") + ": there is no \"" + kind + "\"",
            Names.nearest(kind, PLACES)
                .map(near -> "Did you mean " + near + "?")
                .orElse("Write one of " + String.join(", ", PLACES) + "."));
      }
      configuration.place(name, () -> place(kind, part));
    }
    return configuration;
  }

  private static ConfigurationPlace place(String kind, PartContext part) {
    Settings settings = part.settings();
    ConfigurationPlace place =
        switch (kind) {
          case "files" ->
              ListedFiles.of(
                  list(settings.require("paths")).stream()
                      .map(text -> path(settings, "paths", text))
                      .toList());
          case "env-file" ->
              EnvFileConfiguration.of(
                  path(settings, "path", settings.require("path")), secrets(settings));
          case SupabaseConfiguration.KIND -> {
            String project = settings.require("project");
            yield Connections.open(
                part, connection -> SupabaseConfiguration.of(connection, project));
          }
          default -> {
            String project = settings.require("project");
            Optional<String> team = settings.find("team");
            Optional<SecretPlace> secrets = secrets(settings);
            yield Connections.open(
                part, connection -> VercelConfiguration.of(connection, project, team, secrets));
          }
        };
    settings.requireAllRead();
    return place;
  }

  /** As {@code SOURCE/PLACE}. */
  private static Optional<SecretPlace> secrets(Settings settings) {
    Optional<String> said = settings.find("secrets");
    if (said.isEmpty()) {
      return Optional.empty();
    }
    String[] parts = said.get().split("/", -1);
    if (parts.length != 2 || parts[0].isEmpty() || parts[1].isEmpty()) {
      throw invalid(
          settings.describe("secrets") + ": \"" + said.get() + "\" names no place of secrets",
          "Write SOURCE/PLACE.");
    }
    return Optional.of(new SecretPlace(parts[0], parts[1]));
  }

  private static List<String> list(String text) {
    return Arrays.stream(text.split(",", -1))
        .map(String::strip)
        .filter(one -> !one.isEmpty())
        .toList();
  }

  private static Path path(Settings settings, String key, String text) {
    try {
      Path path = Path.of(text);
      if (path.isAbsolute()) {
        return path.normalize();
      }
    } catch (InvalidPathException e) {
      throw invalid(settings.describe(key) + ": is no path", "Write an absolute path.");
    }
    throw invalid(
        settings.describe(key) + ": \"" + text + "\" is a relative path",
        "Write an absolute path.");
  }
}
