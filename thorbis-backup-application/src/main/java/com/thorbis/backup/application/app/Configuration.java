package com.thorbis.backup.application.app;

import com.thorbis.backup.spi.repository.Repository;
import com.thorbis.backup.spi.repository.RunControl;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** What an application is configured as, in several places: a document for each. */
public final class Configuration implements Component {
  private static final String NAME = "configuration";

  private final Map<String, Place> places = new LinkedHashMap<>();

  private static final class Place {
    private final Supplier<ConfigurationPlace> opener;
    private @Nullable ConfigurationPlace opened;

    Place(Supplier<ConfigurationPlace> opener) {
      this.opener = opener;
    }

    ConfigurationPlace open() {
      ConfigurationPlace place = opened;
      if (place == null) {
        place = opener.get();
        opened = place;
      }
      return place;
    }
  }

  /** Without places yet. */
  public Configuration() {}

  /** Another place, opened when it is needed and closed with this. */
  public Configuration place(String name, Supplier<ConfigurationPlace> opener) {
    places.put(name, new Place(opener));
    return this;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Prepared prepare(Repository repository, RunControl control) {
    Map<String, ConfigurationPlace.Reading> read = new LinkedHashMap<>();
    List<Gap> gaps = new ArrayList<>();
    for (Map.Entry<String, Place> place : places.entrySet()) {
      control.cancellation().check();
      try {
        ConfigurationPlace.Reading reading = place.getValue().open().read();
        read.put(place.getKey(), reading);
        for (Gap gap : reading.unread()) {
          gaps.add(
              new Gap(
                  place.getKey() + ": " + gap.what(),
                  gap.code(),
                  gap.message(),
                  gap.remedy(),
                  gap.whole()));
        }
      } catch (IOException | RuntimeException e) {
        gaps.add(Gap.of(place.getKey(), e));
      }
    }
    if (read.isEmpty()) {
      Gap first = gaps.get(0);
      throw com.thorbis.backup.api.BackupException.of(
              first.code(), com.thorbis.backup.api.FailureKind.PERMANENT, first.message())
          .remedy(first.remedy())
          .build();
    }
    return new Ready(read, gaps);
  }

  private record Ready(Map<String, ConfigurationPlace.Reading> read, List<Gap> gaps)
      implements Prepared {
    @Override
    public Map<String, Long> counts() {
      return Map.of(
          "documents",
          (long) read.size(),
          "files",
          read.values().stream().mapToLong(reading -> reading.contents().size()).sum());
    }

    @Override
    public void write(ComponentWriter into) throws IOException {
      for (Map.Entry<String, ConfigurationPlace.Reading> one : read.entrySet()) {
        into.document(one.getKey() + ".json", one.getValue().document());
        for (Map.Entry<String, ConfigurationPlace.Content> file :
            one.getValue().contents().entrySet()) {
          try (InputStream in = Files.newInputStream(file.getValue().file())) {
            into.content(
                one.getKey() + "/" + file.getKey(),
                file.getValue().mode(),
                file.getValue().reference(),
                in);
          }
        }
      }
    }

    @Override
    public void close() {}
  }

  @Override
  public List<Step> plan(StoredComponent stored, RestoreWish wish) throws IOException {
    List<Step> steps = new ArrayList<>();
    for (String file : stored.documents().keySet()) {
      String name = file.replaceFirst("\\.json$", "");
      Document document = stored.document(file);
      if (wish.into().isPresent()) {
        Path folder = Globs.below(wish.into().get().resolve(NAME), name);
        steps.add(
            Step.lay(
                folder.toString(),
                "the document" + (document.list("files").isEmpty() ? "" : " and its files"),
                () -> lay(stored, name, document, folder)));
      }
      Place place = places.get(name);
      if (document.text("kind").filter("files"::equals).isPresent()) {
        if (wish.into().isEmpty()) {
          steps.add(
              Step.none(
                  name, Step.Action.BY_HAND, "is files: say where to lay them with --into DIR"));
        }
      } else if (place == null) {
        steps.add(
            Step.none(
                name,
                Step.Action.BY_HAND,
                "the source names no such place: add it, or read the document with --into DIR"));
      } else {
        try {
          place.open().plan(document, wish.mode()).stream()
              .map(step -> step.of(name))
              .forEach(steps::add);
        } catch (IOException | RuntimeException e) {
          Gap why = Gap.of(name, e);
          steps.add(
              Step.none(
                  name,
                  Step.Action.UNAVAILABLE,
                  "could not be looked at, so nothing is changed there: "
                      + why.message()
                      + " ("
                      + why.code()
                      + ")"));
        }
      }
    }
    return steps;
  }

  private static String lay(StoredComponent stored, String name, Document document, Path folder)
      throws IOException {
    stored.lay(
        Map.of(name + ".json", folder.resolveSibling(name + ".json")),
        Map.of(name + ".json", document.reference()));
    Map<String, Path> targets = new LinkedHashMap<>();
    Map<String, Reference> expected = new LinkedHashMap<>();
    for (Document file : document.list("files")) {
      if (file.text("stored").isPresent()) {
        String at = name + "/" + file.require("stored");
        targets.put(at, Globs.below(folder, file.require("stored")));
        expected.put(at, new Reference(file.number("length", -1), file.require("sha256")));
      }
    }
    if (!targets.isEmpty()) {
      stored.lay(targets, expected);
    }
    return "1 document and " + targets.size() + " files were laid down";
  }

  @Override
  public String check() throws IOException {
    List<String> found = new ArrayList<>();
    for (Map.Entry<String, Place> place : places.entrySet()) {
      ConfigurationPlace open = place.getValue().open();
      int unread = open.read().unread().size();
      found.add(
          place.getKey()
              + " ("
              + open.kind()
              + ") can be read"
              + (unread == 0 ? "" : ", but for " + unread + " parts"));
    }
    return String.join("; ", found);
  }

  @Override
  public void close() throws IOException {
    for (Place place : places.values()) {
      ConfigurationPlace open = place.opened;
      place.opened = null;
      if (open != null) {
        open.close();
      }
    }
  }
}
