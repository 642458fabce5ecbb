package com.thorbis.backup.smtp;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.dr.notify.Notice;
import com.thorbis.backup.dr.notify.Notifier;
import com.thorbis.backup.dr.notify.NotifierFactory;
import com.thorbis.backup.spi.ProviderContext;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.Settings;
import jakarta.mail.Message;
import jakarta.mail.MessagingException;
import jakarta.mail.Session;
import jakarta.mail.Transport;
import jakarta.mail.internet.AddressException;
import jakarta.mail.internet.InternetAddress;
import jakarta.mail.internet.MimeMessage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.net.ssl.SSLSocketFactory;

/**
 * Mails notices, all of one look in one message. The connection is encrypted and the server's name
 * is checked before anything is said; {@code tls: none} is for a server on this host and sends no
 * password. Headers are made of the configuration and of one line that holds no line breaks,
 * whatever names are in it.
 */
public final class SmtpNotifier implements Notifier {
  private static final int MOST_SUBJECT = 200;
  private static final Pattern THIS_HOST =
      Pattern.compile("localhost|127(\\.[0-9]{1,3}){3}|::1", Pattern.CASE_INSENSITIVE);

  private final String host;
  private final int port;
  private final Tls tls;
  private final Optional<String> user;
  private final Optional<SecretValue> password;
  private final InternetAddress from;
  private final List<InternetAddress> to;
  private final Duration timeout;
  private final Clock clock;
  private final Optional<SSLSocketFactory> sockets;

  private enum Tls {
    STARTTLS,
    IMPLICIT,
    NONE
  }

  SmtpNotifier(Settings settings, Clock clock, Optional<SSLSocketFactory> sockets) {
    this.host = settings.require("host");
    this.tls =
        switch (settings.find("tls").orElse("starttls")) {
          case "starttls" -> Tls.STARTTLS;
          case "implicit" -> Tls.IMPLICIT;
          case "none" -> Tls.NONE;
          default ->
              throw invalid(
                  settings, "tls", "is none of starttls, implicit and none", "Write one of them.");
        };
    this.port = settings.integer("port", tls == Tls.IMPLICIT ? 465 : 587, 1, 65_535);
    this.user = settings.find("user");
    this.password = settings.findSecret("password");
    if (user.isPresent() != password.isPresent()) {
      throw invalid(
          settings, "password", "goes with user, and one of them is missing", "Set both.");
    }
    if (tls == Tls.NONE && !THIS_HOST.matcher(host).matches()) {
      throw invalid(
          settings,
          "tls",
          "is none, and " + host + " is another host",
          "Use starttls or implicit; anybody on the way could read and change the mail.");
    }
    if (tls == Tls.NONE && password.isPresent()) {
      throw invalid(
          settings,
          "password",
          "would pass in clear, as tls is none",
          "Use starttls, or a server that wants no password.");
    }
    this.from = address(settings, "from", settings.require("from"));
    this.to = new ArrayList<>();
    for (String one : settings.require("to").split("\n", -1)) {
      to.add(address(settings, "to", one));
    }
    this.timeout = settings.duration("timeout", Duration.ofSeconds(10));
    this.clock = clock;
    this.sockets = sockets;
  }

  /** Makes them by name. */
  public static final class Factory implements NotifierFactory {
    /** For the service loader. */
    public Factory() {}

    @Override
    public String kind() {
      return "smtp";
    }

    @Override
    public Notifier open(ProviderContext context) {
      return of(context.settings(), context.clock());
    }
  }

  /**
   * By settings: {@code host}, {@code from}, {@code to} (addresses, one a line); {@code port},
   * {@code tls} ({@code starttls}, {@code implicit}, {@code none}), {@code user} and {@code
   * password}, {@code timeout}.
   *
   * @throws BackupException of kind CONFIGURATION if one is missing or wrong
   */
  public static SmtpNotifier of(Settings settings, Clock clock) {
    return new SmtpNotifier(settings, clock, Optional.empty());
  }

  private static InternetAddress address(Settings settings, String key, String text) {
    try {
      InternetAddress address = new InternetAddress(text, true);
      if (text.chars().noneMatch(Character::isISOControl) && address.getAddress().contains("@")) {
        return address;
      }
    } catch (AddressException e) {
      // Said below like one that is no address of a mailbox.
    }
    throw invalid(settings, key, "is not one address", "Write NAME@HOST; several as a list.");
  }

  private static BackupException invalid(
      Settings settings, String key, String problem, String remedy) {
    return BackupException.of(
            "configuration.invalid",
            FailureKind.CONFIGURATION,
            settings.describe(key) + " " + problem)
        .remedy(remedy)
        .build();
  }

  @Override
  public void tell(List<Notice> notices) throws IOException {
    try {
      Session session = Session.getInstance(properties());
      MimeMessage message = new MimeMessage(session);
      message.setFrom(from);
      message.setRecipients(Message.RecipientType.TO, to.toArray(InternetAddress[]::new));
      message.setSubject(subject(notices), StandardCharsets.UTF_8.name());
      message.setSentDate(Date.from(clock.instant()));
      message.setHeader("Auto-Submitted", "auto-generated");
      message.setText(
          notices.stream().map(Notice::line).collect(Collectors.joining("\r\n\r\n", "", "\r\n")),
          StandardCharsets.UTF_8.name());
      message.saveChanges();
      try (Transport transport = session.getTransport("smtp")) {
        connect(transport);
        transport.sendMessage(message, message.getAllRecipients());
      }
    } catch (MessagingException e) {
      if (password.isPresent()) {
        // What the server answered may repeat what it was sent, so neither is passed on.
        throw new IOException(host + " did not take the mail: " + e.getClass().getSimpleName());
      }
      throw new IOException(host + " did not take the mail: " + e.getMessage(), e);
    }
  }

  private void connect(Transport transport) throws MessagingException {
    if (password.isEmpty()) {
      transport.connect(host, port, null, null);
      return;
    }
    MessagingException[] failure = {null};
    password
        .get()
        .<Boolean>useChars(
            chars -> {
              try {
                // The library takes a String alone.
                transport.connect(host, port, user.orElseThrow(), new String(chars));
              } catch (MessagingException e) {
                failure[0] = e;
              }
              return true;
            });
    if (failure[0] != null) {
      throw failure[0];
    }
  }

  private static String subject(List<Notice> notices) {
    String first = notices.get(0).line();
    int colon = first.indexOf("]: ");
    String text =
        "[thorbis] "
            + (colon < 0 ? first : first.substring(0, colon + 1))
            + (notices.size() > 1 ? " and " + (notices.size() - 1) + " more" : "");
    return text.substring(0, Math.min(text.length(), MOST_SUBJECT));
  }

  private Properties properties() {
    Properties properties = new Properties();
    String millis = Long.toString(timeout.toMillis());
    properties.setProperty("mail.smtp.connectiontimeout", millis);
    properties.setProperty("mail.smtp.timeout", millis);
    properties.setProperty("mail.smtp.writetimeout", millis);
    properties.setProperty("mail.smtp.auth", Boolean.toString(password.isPresent()));
    properties.setProperty("mail.smtp.starttls.enable", Boolean.toString(tls == Tls.STARTTLS));
    properties.setProperty("mail.smtp.starttls.required", Boolean.toString(tls == Tls.STARTTLS));
    properties.setProperty("mail.smtp.ssl.enable", Boolean.toString(tls == Tls.IMPLICIT));
    properties.setProperty("mail.smtp.ssl.checkserveridentity", "true");
    properties.setProperty("mail.smtp.from", from.getAddress());
    // Otherwise the id of the message names the account that this runs as.
    properties.setProperty("mail.from", from.getAddress());
    sockets.ifPresent(factory -> properties.put("mail.smtp.ssl.socketFactory", factory));
    return properties;
  }

  @Override
  public void close() {
    password.ifPresent(SecretValue::close);
  }
}
