package com.thorbis.backup.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * Every requirement names the class that meets it and the test that shows it, or says that it is
 * missing.
 */
class RequirementsTest {
  private static final Path ROOT = Path.of("").toAbsolutePath().getParent().getParent();
  private static final Path DATA = ROOT.resolve("docs/requirements.tsv");
  private static final Path DOCUMENT = ROOT.resolve("docs/requirements.md");
  private static final String HEADER = "row\tstate\twhat\tclasses\ttests\treason";
  private static final Pattern TEST =
      Pattern.compile(
          "@(?:Test|ParameterizedTest|RepeatedTest|TestFactory|Property|Example)\\b"
              + ".*?\\n\\s+(?:(?:public|protected|private|static|final) )*"
              + "(?:void|DynamicNode|(?:Stream|Collection|List|Iterable)<[^;{(]*>)\\s+(\\w+)\\(",
          Pattern.DOTALL);

  private record Row(
      String id,
      String state,
      String what,
      List<String> classes,
      List<String> tests,
      String reason) {}

  private record Chapter(String title, List<Row> rows) {}

  /** Files by their path without {@code .java}. */
  private record Sources(Set<String> main, Set<String> test) {}

  @Test
  void everyRowIsShownOrSaidToBeMissing() throws IOException {
    assertThat(problems(rows(read()), sources())).isEmpty();
  }

  @Test
  void theDocumentIsWhatTheTableSays() throws IOException {
    String document = document(read());
    if (System.getProperty("thorbis.requirements", "").equals("write")) {
      Files.writeString(DOCUMENT, document);
    }
    assertThat(Files.readString(DOCUMENT)).isEqualTo(document);
  }

  @Test
  void whatDoesNotHoldIsNamed() throws IOException {
    Row good =
        new Row(
            "S-001",
            "shown",
            "Something",
            List.of("StandardSchedule"),
            List.of("RequirementsTest#whatDoesNotHoldIsNamed"),
            "");
    Sources sources = sources();
    List<String> named = new ArrayList<>();
    for (Row row :
        List.of(
            good,
            new Row("S-002", "shown", "Something", good.classes(), List.of(), ""),
            new Row("S-003", "shown", "Something", List.of(), good.tests(), ""),
            new Row("S-004", "missing", "Something", good.classes(), good.tests(), "Not yet."),
            new Row("S-005", "missing", "Something", List.of(), List.of(), ""),
            new Row("S-006", "differently", "Something", good.classes(), good.tests(), ""),
            new Row("S-007", "shown", "Something", List.of("NoSuchClass"), good.tests(), ""),
            new Row(
                "S-008",
                "shown",
                "Something",
                good.classes(),
                List.of("RequirementsTest#problems"),
                ""),
            new Row("S-009", "shown", "Something", good.classes(), List.of("RequirementsTest"), ""),
            new Row("S-010", "shown", "Something", List.of("Failures"), good.tests(), ""),
            new Row("S-011", "later", "Something", List.of(), List.of(), "Not yet."),
            new Row("S-012", "shown", "", good.classes(), good.tests(), ""))) {
      named.addAll(problemsOf(row, sources));
    }
    assertThat(named)
        .satisfiesExactly(
            text -> assertThat(text).isEqualTo("S-002: names no test"),
            text -> assertThat(text).isEqualTo("S-003: names no class"),
            text -> assertThat(text).isEqualTo("S-004: is missing and names a class or a test"),
            text -> assertThat(text).isEqualTo("S-005: gives no reason"),
            text -> assertThat(text).isEqualTo("S-006: gives no reason"),
            text -> assertThat(text).isEqualTo("S-007: NoSuchClass is not there"),
            text -> assertThat(text).isEqualTo("S-008: RequirementsTest#problems is no test"),
            text -> assertThat(text).isEqualTo("S-009: RequirementsTest names no method"),
            text -> assertThat(text).startsWith("S-010: Failures may be any of "),
            text -> assertThat(text).isEqualTo("S-011: later is no state"),
            text -> assertThat(text).isEqualTo("S-012: says nothing"));
    assertThat(problems(List.of(good), sources)).hasSize(1);
    assertThat(problems(List.of(good), sources).get(0)).contains("S-002").contains("S-190");
  }

  private static List<String> problems(List<Row> rows, Sources sources) throws IOException {
    List<String> problems = new ArrayList<>();
    List<String> expected =
        IntStream.rangeClosed(1, 190).mapToObj(number -> "S-%03d".formatted(number)).toList();
    List<String> given = rows.stream().map(Row::id).toList();
    if (!given.equals(expected)) {
      Set<String> absent = new TreeSet<>(expected);
      absent.removeAll(given);
      problems.add(
          "S-001 to S-190 must be there once and in order; not there: "
              + String.join(" ", absent)
              + "; there: "
              + given.size());
    }
    for (Row row : rows) {
      problems.addAll(problemsOf(row, sources));
    }
    return problems;
  }

  private static List<String> problemsOf(Row row, Sources sources) throws IOException {
    List<String> problems = new ArrayList<>();
    boolean missing = row.state().equals("missing");
    boolean shown = row.state().equals("shown");
    if (!missing && !shown && !row.state().equals("differently")) {
      problems.add(row.state() + " is no state");
    } else if (missing) {
      if (!row.classes().isEmpty() || !row.tests().isEmpty()) {
        problems.add("is missing and names a class or a test");
      }
    } else {
      if (row.classes().isEmpty()) {
        problems.add("names no class");
      }
      if (row.tests().isEmpty()) {
        problems.add("names no test");
      }
    }
    if (row.what().isBlank()) {
      problems.add("says nothing");
    }
    if (shown != row.reason().isBlank()) {
      problems.add(shown ? "gives a reason for what is as it was asked for" : "gives no reason");
    }
    for (String name : row.classes()) {
      find(name, sources.main(), problems);
    }
    for (String name : row.tests()) {
      int hash = name.indexOf('#');
      if (hash < 0) {
        problems.add(name + " names no method");
        continue;
      }
      String file = find(name.substring(0, hash), sources.test(), problems);
      if (!file.isEmpty()
          && !testsOf(ROOT.resolve(file + ".java")).contains(name.substring(hash + 1))) {
        problems.add(name + " is no test");
      }
    }
    return problems.stream().map(problem -> row.id() + ": " + problem).toList();
  }

  /** The file of a class, whose name may begin with the end of its package. */
  private static String find(String name, Set<String> files, List<String> problems) {
    String end = "/" + name.replace('.', '/');
    List<String> found = files.stream().filter(file -> file.endsWith(end)).sorted().toList();
    if (found.isEmpty()) {
      problems.add(name + " is not there");
    } else if (found.size() > 1) {
      problems.add(name + " may be any of " + found);
    }
    return found.size() == 1 ? found.get(0) : "";
  }

  private static Set<String> testsOf(Path file) throws IOException {
    Set<String> names = new HashSet<>();
    Matcher test = TEST.matcher(Files.readString(file));
    while (test.find()) {
      names.add(test.group(1));
    }
    return names;
  }

  private static Sources sources() throws IOException {
    Set<String> main = new HashSet<>();
    Set<String> test = new HashSet<>();
    Files.walkFileTree(
        ROOT,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
            String name = folder.getFileName().toString();
            return name.equals("target") || name.startsWith(".")
                ? FileVisitResult.SKIP_SUBTREE
                : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            String path = ROOT.relativize(file).toString().replace('\\', '/');
            if (path.endsWith(".java")) {
              String name = path.substring(0, path.length() - ".java".length());
              if (path.contains("/src/main/java/")) {
                main.add(name);
              }
              // The test kit's suites are what each store and key provider is tried with.
              if (path.contains("/src/test/java/") || name.endsWith("Contract")) {
                test.add(name);
              }
            }
            return FileVisitResult.CONTINUE;
          }
        });
    return new Sources(main, test);
  }

  private static List<Chapter> read() throws IOException {
    List<String> lines = Files.readAllLines(DATA);
    assertThat(lines.get(0)).isEqualTo(HEADER);
    List<Chapter> chapters = new ArrayList<>();
    for (String line : lines.subList(1, lines.size())) {
      if (line.startsWith("# ")) {
        chapters.add(new Chapter(line.substring(2), new ArrayList<>()));
        continue;
      }
      String[] cells = line.split("\t", -1);
      assertThat(cells).as(line).hasSize(6);
      chapters
          .get(chapters.size() - 1)
          .rows()
          .add(new Row(cells[0], cells[1], cells[2], words(cells[3]), words(cells[4]), cells[5]));
    }
    return chapters;
  }

  private static List<Row> rows(List<Chapter> chapters) {
    return chapters.stream().flatMap(chapter -> chapter.rows().stream()).toList();
  }

  private static List<String> words(String cell) {
    return cell.isEmpty() ? List.of() : List.of(cell.split(" "));
  }

  private static String document(List<Chapter> chapters) {
    List<Row> rows = rows(chapters);
    List<Row> missing = rows.stream().filter(row -> row.state().equals("missing")).toList();
    long differently = rows.stream().filter(row -> row.state().equals("differently")).count();
    StringBuilder text = new StringBuilder();
    text.append(
        """
        # Requirements

        What this product was asked to do, with the class that does it and the test that shows it. This file is made from `requirements.tsv`:
        change that, then run `RequirementsTest` in `examples/cli` with `-Dthorbis.requirements=write`. The build fails if a row names neither class and test
        nor why it is missing, if a class or test is not there, or if this file is not what the table says.

        %d rows: %d as they were asked for, %d done differently for the reason that stands there, %d missing.

        ## Missing

        """
            .formatted(
                rows.size(),
                rows.size() - differently - missing.size(),
                differently,
                missing.size()));
    if (missing.isEmpty()) {
      text.append("Nothing.\n");
    } else {
      text.append("| Row | What | Why |\n|---|---|---|\n");
      for (Row row : missing) {
        text.append("| %s | %s | %s |\n".formatted(row.id(), row.what(), row.reason()));
      }
    }
    for (Chapter chapter : chapters) {
      text.append("\n## ").append(chapter.title()).append("\n\n");
      text.append("| Row | What | Class | Test |\n|---|---|---|---|\n");
      for (Row row : chapter.rows()) {
        String what =
            row.state().equals("differently")
                ? row.what() + " **Done differently:** " + row.reason()
                : row.what();
        text.append(
            "| %s | %s | %s | %s |\n"
                .formatted(
                    row.id(),
                    what,
                    row.classes().isEmpty() ? "missing" : code(row.classes()),
                    row.tests().isEmpty() ? "missing" : code(row.tests())));
      }
    }
    return text.toString();
  }

  private static String code(List<String> names) {
    return names.stream().map(name -> "`" + name + "`").collect(Collectors.joining(", "));
  }
}
