package com.thorbis.backup.dr.schedule;

/** Hears what becomes of jobs. Called by several threads; what it throws changes nothing. */
@FunctionalInterface
public interface SchedulerListener {
  /** Something happened. */
  void happened(ScheduleEvent event);
}
