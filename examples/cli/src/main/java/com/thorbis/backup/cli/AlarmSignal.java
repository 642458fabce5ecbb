package com.thorbis.backup.cli;

import com.thorbis.backup.dr.failover.Sighting;
import com.thorbis.backup.dr.failover.Signal;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.notify.AlarmBook;
import com.thorbis.backup.dr.notify.Standing;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * What the last look for alarms on this host found, as a signal: an alarm that is there is down,
 * and none is up, unless something could not be looked at or somebody sees to it already.
 *
 * @param id its name
 * @param sought the alarm
 * @param book of this host
 * @param fresh how old the last look may be
 */
record AlarmSignal(String id, DrConfig.Sought sought, AlarmBook book, Clock clock, Duration fresh)
    implements Signal {
  @Override
  public String from() {
    return DrConfig.Sought.PLACE;
  }

  @Override
  public Sighting look() {
    Optional<Instant> looked = book.writtenAt();
    if (looked.isEmpty() || looked.get().plus(fresh).isBefore(clock.instant())) {
      return Sighting.cannotTell(
          "nobody looked for alarms here "
              + looked.map(at -> "since " + at).orElse("yet")
              + ": thorbis run, or alarms notify, does");
    }
    List<Standing> standing = book.standing();
    for (Standing one : standing) {
      if (one.alarm().kind() == AlarmKind.NOT_LOOKED) {
        return Sighting.cannotTell(one.alarm().subject() + ": " + one.alarm().found());
      }
    }
    return standing.stream()
        .filter(one -> one.alarm().kind() == sought.kind())
        .filter(one -> one.alarm().subject().equals(sought.about()))
        .findFirst()
        .map(AlarmSignal::seen)
        .orElseGet(() -> Sighting.up("no alarm " + sought + " at " + looked.get()));
  }

  private static Sighting seen(Standing one) {
    return one.acknowledged()
        .map(ack -> Sighting.cannotTell(ack.by() + " sees to " + one.alarm().found()))
        .orElseGet(() -> Sighting.down(one.alarm().found()));
  }
}
