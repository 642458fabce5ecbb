package com.thorbis.backup.dr.notify;

import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.spi.ProviderContext;
import java.util.List;

/** Writes notices into the host's log, one line each, as {@code com.thorbis.backup.alarms}. */
public final class LogNotifier implements Notifier {
  private static final System.Logger LOG = System.getLogger("com.thorbis.backup.alarms");

  /** One. */
  public LogNotifier() {}

  /** Makes them by name. */
  public static final class Factory implements NotifierFactory {
    /** For the service loader. */
    public Factory() {}

    @Override
    public String kind() {
      return "log";
    }

    @Override
    public Notifier open(ProviderContext context) {
      return new LogNotifier();
    }
  }

  @Override
  public void tell(List<Notice> notices) {
    for (Notice notice : notices) {
      System.Logger.Level level =
          notice.event() == Notice.Event.CLEARED
              ? System.Logger.Level.INFO
              : notice.alarm().severity() == Severity.CRITICAL
                  ? System.Logger.Level.ERROR
                  : System.Logger.Level.WARNING;
      LOG.log(level, "{0}", notice.line());
    }
  }
}
