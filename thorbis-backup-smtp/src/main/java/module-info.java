import com.thorbis.backup.dr.notify.NotifierFactory;
import com.thorbis.backup.smtp.SmtpNotifier;

/** Tells people of alarms by mail. */
module com.thorbis.backup.smtp {
  requires jakarta.mail;
  requires transitive com.thorbis.backup.dr;
  requires static org.jspecify;

  exports com.thorbis.backup.smtp;

  provides NotifierFactory with
      SmtpNotifier.Factory;
}
