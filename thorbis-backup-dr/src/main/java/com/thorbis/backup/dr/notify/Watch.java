package com.thorbis.backup.dr.notify;

import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.Look;
import com.thorbis.backup.dr.monitor.Monitor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Looks, gives the heartbeat, and tells people: one round of it. Used by one thread. */
public final class Watch implements AutoCloseable {
  private final Monitor monitor;
  private final Dispatcher dispatcher;
  private final Optional<Heartbeat> heartbeat;

  /** What came of the last heartbeat, where nobody took it. */
  private Optional<Alarm> unheard = Optional.empty();

  private boolean first = true;

  /** Of these; the dispatcher is closed with it. */
  public Watch(Monitor monitor, Dispatcher dispatcher, Optional<Heartbeat> heartbeat) {
    this.monitor = monitor;
    this.dispatcher = dispatcher;
    this.heartbeat = heartbeat;
  }

  /**
   * One round.
   *
   * @return every alarm there is, those of notifiers and of the heartbeat among them, the worst
   *     first
   * @throws com.thorbis.backup.api.BackupException if what people were told cannot be kept
   */
  public List<Alarm> round() {
    heartbeat.ifPresent(Heartbeat::begin);
    Look look = monitor.look();
    List<Alarm> found = new ArrayList<>(look.alarms());
    unheard.ifPresent(found::add);
    Set<String> unseen = new HashSet<>(look.unseen());
    if (first && heartbeat.isPresent()) {
      unseen.add(Heartbeat.AREA); // another process may have told of it
    }
    List<Alarm> alarms = new ArrayList<>(found);
    // Nobody elsewhere is to hear that all is well before people here could be told.
    alarms.addAll(dispatcher.dispatch(new Look(look.at(), found, look.sources(), unseen)));
    Optional<Alarm> before = unheard;
    unheard = heartbeat.flatMap(beat -> beat.end(alarms));
    if (heartbeat.isPresent() && (first || before.isEmpty() && unheard.isPresent())) {
      // Who looks once and ends would never tell it otherwise.
      unheard.ifPresent(found::add);
      unheard.ifPresent(alarms::add);
      dispatcher.dispatch(new Look(look.at(), found, look.sources(), look.unseen()));
    }
    first = false;
    alarms.sort(Comparator.comparing(Alarm::severity).reversed());
    return List.copyOf(alarms);
  }

  @Override
  public void close() {
    dispatcher.close();
  }
}
