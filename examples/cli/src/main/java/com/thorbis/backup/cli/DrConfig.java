package com.thorbis.backup.cli;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import java.net.URI;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What the file says of recovery from disasters.
 *
 * @param plan the file of the plan
 * @param folder the half of journals that lies on this machine
 * @param store the other half, elsewhere
 * @param person who works at this machine, as the plan names them
 * @param keys the files of the keys that people sign with, by person
 * @param servers what steps talk to, by name, each with its settings
 */
record DrConfig(
    Optional<Path> plan,
    Path folder,
    Optional<Place> store,
    Optional<String> person,
    Map<String, Path> keys,
    Map<String, Map<String, Object>> servers) {
  /** A store and its settings. */
  record Place(URI uri, Map<String, Object> settings) {}

  static DrConfig read(Section root, Path folderOfFile, Path stateDirectory) {
    Optional<Path> plan = Optional.empty();
    Path folder = stateDirectory.resolve("recovery");
    Optional<Place> store = Optional.empty();
    Optional<String> person = Optional.empty();
    Map<String, Path> keys = new LinkedHashMap<>();
    Map<String, Map<String, Object>> servers = new LinkedHashMap<>();
    Optional<Section> dr = root.section("dr");
    if (dr.isPresent()) {
      plan = dr.get().find("plan").map(folderOfFile::resolve);
      Optional<Section> journal = dr.get().section("journal");
      if (journal.isPresent()) {
        folder = journal.get().find("folder").map(folderOfFile::resolve).orElse(folder);
        store = journal.get().section("store").map(DrConfig::place);
        journal.get().finish();
      }
      person = dr.get().find("person");
      Optional<Section> signers = dr.get().section("keys");
      signers.ifPresent(
          section ->
              section.keys().forEach(name -> keys.put(name, folderOfFile.resolve(section.require(name)))));
      Optional<Section> named = dr.get().section("servers");
      named.ifPresent(
          section ->
              section
                  .keys()
                  .forEach(name -> servers.put(name, section.section(name).orElseThrow().rest())));
      dr.get().finish();
    }
    return new DrConfig(plan, folder, store, person, Map.copyOf(keys), servers);
  }

  private static Place place(Section section) {
    URI uri = section.uri("uri");
    Map<String, Object> settings =
        section.section(uri.getScheme()).map(Section::rest).orElse(Map.of());
    section.finish();
    return new Place(uri, settings);
  }

  /** The store, which a run cannot do without. */
  Place requireStore(Path config) {
    return store.orElseThrow(
        () ->
            BackupException.of(
                    "configuration.invalid",
                    FailureKind.CONFIGURATION,
                    config + " names no second place for journals")
                .remedy(
                    "Set dr.journal.store.uri to a place that does not go down with what is"
                        + " protected, such as a bucket of another account.")
                .build());
  }
}
