package com.thorbis.backup.dr.notify;

import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.Look;
import com.thorbis.backup.dr.monitor.Monitor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** Looks, gives the heartbeat, and tells people: one round of it. Used by one thread. */
public final class Watch implements AutoCloseable {
  private final Monitor monitor;
  private final Dispatcher dispatcher;
  private final Optional<Heartbeat> heartbeat;

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
    List<Alarm> alarms = new ArrayList<>(look.alarms());
    heartbeat
        .flatMap(
            beat -> {
              List<Alarm> all = new ArrayList<>(look.alarms());
              all.addAll(dispatcher.failing());
              return beat.end(all);
            })
        .ifPresent(alarms::add);
    List<Alarm> failing =
        dispatcher.dispatch(new Look(look.at(), alarms, look.sources(), look.unseen()));
    alarms.addAll(failing);
    alarms.sort(Comparator.comparing(Alarm::severity).reversed());
    return List.copyOf(alarms);
  }

  @Override
  public void close() {
    dispatcher.close();
  }
}
