package com.thorbis.backup.dr.notify;

import com.thorbis.backup.dr.monitor.Alarm;
import java.time.Instant;
import java.util.Arrays;
import java.util.Optional;

/**
 * What somebody is told of an alarm.
 *
 * @param event what has become of it
 * @param alarm as it was last seen
 * @param raisedAt when it was first told of, or told of again after an acknowledgement
 * @param at when that is told
 */
public record Notice(Event event, Alarm alarm, Instant raisedAt, Instant at) {
  /** What has become of an alarm. Constants may be added. */
  public enum Event {
    /** It is there. */
    RAISED("raised"),
    /** It is worse than before. */
    WORSE("worse"),
    /** Nobody acknowledged it so far: others are told. */
    ESCALATED("escalated"),
    /** It is there still. */
    STILL("still"),
    /** It is there no more. */
    CLEARED("cleared");

    private final String label;

    Event(String label) {
      this.label = label;
    }

    /** The name in messages; never changes. */
    public String label() {
      return label;
    }

    static Optional<Event> ofLabel(String label) {
      return Arrays.stream(values()).filter(one -> one.label.equals(label)).findFirst();
    }
  }

  /** One line for people, without line breaks, whatever names are in it. */
  public String line() {
    return plain(
        event.label()
            + ": "
            + alarm.severity().label()
            + " "
            + alarm.kind().code()
            + " "
            + alarm.subject()
            + " ["
            + alarm.id()
            + "]: expected "
            + alarm.expected()
            + "; "
            + alarm.found()
            + alarm.since().map(since -> " (since " + since + ")").orElse("")
            + (event == Event.CLEARED ? "" : ". " + alarm.remedy()));
  }

  /** Text without anything that ends a line or changes how others are read. */
  static String plain(String text) {
    return text.replaceAll(
        "[\\p{Cc}\\u061C\\u200E\\u200F\\u2028\\u2029\\u202A-\\u202E\\u2066-\\u2069]", " ");
  }
}
