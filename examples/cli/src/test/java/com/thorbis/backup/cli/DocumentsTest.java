package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.thorbis.backup.api.Cancellation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The documents say what the tree holds. */
class DocumentsTest {
  private static final Path ROOT = Path.of("").toAbsolutePath().getParent().getParent();
  private static final Pattern EXAMPLE =
      Pattern.compile("// README: begin\n(.*?)\n *// README: end", Pattern.DOTALL);
  private static final Pattern JAVA = Pattern.compile("```java\n(.*?)\n```", Pattern.DOTALL);
  private static final Pattern LINK = Pattern.compile("\\]\\(([^)#]+)(?:#[^)]*)?\\)");
  private static final Pattern COMMAND = Pattern.compile("bin/thorbis ([^`#\n]+)");
  private static final Pattern ARTIFACT = Pattern.compile("<artifactId>([^<]+)</artifactId>");
  private static final Pattern ROW = Pattern.compile("(?m)^\\| `(thorbis-backup-[a-z0-9-]+)`");

  @Test
  void theReadmeShowsTheCompiledExample() throws IOException {
    Path source = Path.of("src/test/java/com/thorbis/backup/cli/ReadmeExample.java");
    assertThat(find(JAVA, Files.readString(ROOT.resolve("README.md"))))
        .containsExactly(find(EXAMPLE, Files.readString(source)).get(0).stripIndent());
  }

  @Test
  void theReadmeNamesTheArtifactsThatArePublished() throws IOException {
    List<String> published =
        find(ARTIFACT, Files.readString(ROOT.resolve("thorbis-backup-bom/pom.xml")));
    assertThat(find(ROW, Files.readString(ROOT.resolve("README.md"))))
        .containsExactlyInAnyOrderElementsOf(published);
  }

  @Test
  void linksLeadSomewhere() throws IOException {
    List<String> broken = new ArrayList<>();
    List<Path> documents = documents();
    for (Path document : documents) {
      for (String link : find(LINK, Files.readString(document))) {
        if (!link.contains("://") && !Files.exists(document.resolveSibling(link))) {
          broken.add(ROOT.relativize(document) + " -> " + link);
        }
      }
    }
    assertThat(documents).contains(ROOT.resolve("README.md"));
    assertThat(broken).isEmpty();
  }

  @Test
  void commandsAreAsTheDocumentsSpellThem() throws IOException {
    List<String> wrong = new ArrayList<>();
    int seen = 0;
    for (Path document : documents()) {
      for (String command : find(COMMAND, Files.readString(document))) {
        seen++;
        CommandLine at = new CommandLine(new Thorbis(new Run(Host.system(), new Cancellation())));
        for (String word : command.strip().split(" +")) {
          if (at.getSubcommands().containsKey(word)) {
            at = at.getSubcommands().get(word);
          } else if (word.startsWith("-") && !at.getCommandSpec().optionsMap().containsKey(word)) {
            wrong.add(command + ": " + word);
          }
        }
        if (at.getParent() == null) {
          wrong.add(command);
        }
      }
    }
    assertThat(seen).isPositive();
    assertThat(wrong).isEmpty();
  }

  private static List<Path> documents() throws IOException {
    try (Stream<Path> top = Files.list(ROOT);
        Stream<Path> docs = Files.walk(ROOT.resolve("docs"))) {
      return Stream.concat(top, docs).filter(file -> file.toString().endsWith(".md")).toList();
    }
  }

  private static List<String> find(Pattern pattern, String text) {
    List<String> found = new ArrayList<>();
    Matcher matcher = pattern.matcher(text);
    while (matcher.find()) {
      found.add(matcher.group(1));
    }
    return found;
  }
}
