package com.thorbis.backup.storage.internal.catalog;

import com.thorbis.backup.crypto.ObjectId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Sources that are to be erased, and those that were. Belongs to one thread at a time. */
final class Erasures {
  private final Map<ObjectId, Operation.Erase> wanted = new LinkedHashMap<>();
  private final Map<ObjectId, ErasedSource> done = new LinkedHashMap<>();

  Erasures copy() {
    Erasures copy = new Erasures();
    copy.wanted.putAll(wanted);
    copy.done.putAll(done);
    return copy;
  }

  /** What was asked for and neither taken back nor done. */
  Optional<Operation.Erase> wanted(ObjectId tree) {
    return Optional.ofNullable(wanted.get(tree));
  }

  /** All of that. */
  List<Operation.Erase> wanted() {
    return List.copyOf(wanted.values());
  }

  /** What was erased, oldest first. */
  List<ErasedSource> done() {
    return List.copyOf(done.values());
  }

  void want(Operation.Erase erase) {
    wanted.put(erase.tree(), erase);
  }

  /** False if nobody had asked for it. */
  boolean takeBack(ObjectId tree) {
    return wanted.remove(tree) != null;
  }

  void erase(long sequence, Operation.Erased erased) {
    wanted.remove(erased.tree());
    done.put(erased.tree(), new ErasedSource(sequence, erased, Optional.empty()));
  }

  /** False if it is not being erased, or has ended. */
  boolean end(Operation.EraseEnded ended) {
    ErasedSource open = done.get(ended.tree());
    if (open == null || open.end().isPresent()) {
      return false;
    }
    done.put(ended.tree(), new ErasedSource(open.sequence(), open.what(), Optional.of(ended)));
    return true;
  }

  /** Operations that add up to the same, of trees that are there and of those that are not. */
  List<Catalog.Step> compacted() {
    List<Catalog.Step> steps = new ArrayList<>();
    if (!wanted.isEmpty()) {
      steps.add(new Catalog.Step(2, List.copyOf(wanted.values())));
    }
    for (ErasedSource one : done.values()) {
      List<Operation> operations = new ArrayList<>();
      operations.add(one.what());
      one.end().ifPresent(operations::add);
      steps.add(new Catalog.Step(one.sequence(), operations));
    }
    return steps;
  }
}
