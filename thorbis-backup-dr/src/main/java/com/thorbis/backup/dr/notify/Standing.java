package com.thorbis.backup.dr.notify;

import com.thorbis.backup.dr.monitor.Alarm;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/**
 * An alarm that people were, or are to be, told of.
 *
 * @param alarm as it was last seen
 * @param raisedAt when it was first told of, or told of again after an acknowledgement
 * @param told the notifiers that have taken it
 * @param acknowledged by whom, if it is still
 */
public record Standing(
    Alarm alarm, Instant raisedAt, List<String> told, Optional<Acknowledgement> acknowledged) {
  /** Copies the list. */
  public Standing {
    told = List.copyOf(told);
  }
}
