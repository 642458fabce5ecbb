package com.thorbis.backup.smtp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.dr.monitor.Alarm;
import com.thorbis.backup.dr.monitor.AlarmKind;
import com.thorbis.backup.dr.monitor.Severity;
import com.thorbis.backup.dr.notify.Notice;
import com.thorbis.backup.dr.notify.Notifiers;
import com.thorbis.backup.spi.ProviderLoader;
import com.thorbis.backup.spi.Settings;
import com.thorbis.backup.testkit.cloud.LoopbackTls;
import jakarta.mail.Session;
import jakarta.mail.internet.MimeMessage;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SmtpNotifierTest {
  private static final Instant NOW = Instant.parse("2026-03-01T12:00:00Z");
  private static final Clock CLOCK = Clock.fixed(NOW, ZoneOffset.UTC);
  private static final String PASSWORD = "mail secret";
  private static LoopbackTls tls;

  @BeforeAll
  static void certificate() throws IOException {
    tls = LoopbackTls.create();
  }

  private static Notice notice(String subject) {
    return new Notice(
        Notice.Event.RAISED,
        new Alarm(
            AlarmKind.LATE,
            Severity.CRITICAL,
            "source x",
            subject,
            Optional.empty(),
            "a backup",
            "none",
            "Run one."),
        NOW,
        NOW);
  }

  private static Settings settings(int port, Map<String, Object> more) {
    Map<String, Object> all =
        new HashMap<>(
            Map.of(
                "host", "localhost",
                "port", port,
                "from", "Backups <backups@acme.example>",
                "to", "ops@acme.example\nEva <eva@acme.example>"));
    all.putAll(more);
    return Settings.of("notify mail", all);
  }

  private static SmtpNotifier notifier(FakeSmtp server, Map<String, Object> more) {
    return new SmtpNotifier(
        settings(server.port(), more), CLOCK, Optional.of(tls.client().getSocketFactory()));
  }

  @Test
  void oneMailTellsAllOverAConnectionThatIsEncryptedBeforeAnythingIsSaid() throws Exception {
    try (FakeSmtp server = new FakeSmtp(Optional.of(tls.server()));
        SmtpNotifier notifier = notifier(server, Map.of("user", "thorbis", "password", PASSWORD))) {
      notifier.tell(List.of(notice("orders"), notice("shop")));
      assertThat(server.commands)
          .filteredOn(line -> !line.startsWith("tls "))
          .allMatch(line -> line.startsWith("EHLO") || line.equals("STARTTLS"));
      assertThat(server.commands)
          .contains(
              "tls MAIL FROM:<backups@acme.example>",
              "tls RCPT TO:<ops@acme.example>",
              "tls RCPT TO:<eva@acme.example>")
          .anyMatch(
              line ->
                  line.startsWith("tls AUTH")
                      || line.equals(
                          "tls "
                              + Base64.getEncoder()
                                  .encodeToString(PASSWORD.getBytes(StandardCharsets.UTF_8))));
      MimeMessage mail = parse(server.mails.get(0));
      assertThat(mail.getSubject())
          .startsWith("[thorbis] raised: critical backup.late orders [")
          .endsWith("] and 1 more");
      assertThat((String) mail.getContent()).contains("backup.late orders", "backup.late shop");
      assertThat(mail.getHeader("Auto-Submitted")).containsExactly("auto-generated");
      assertThat(mail.getSentDate().toInstant()).isEqualTo(NOW);
      assertThat(mail.getMessageID()).contains("acme.example");
    }
  }

  private static MimeMessage parse(String mail) throws Exception {
    return new MimeMessage(
        Session.getInstance(new Properties()),
        new ByteArrayInputStream(mail.getBytes(StandardCharsets.UTF_8)));
  }

  @Test
  void noNameAddsAHeaderOrEndsTheMail() throws Exception {
    try (FakeSmtp server = new FakeSmtp(Optional.of(tls.server()));
        SmtpNotifier notifier = notifier(server, Map.of())) {
      notifier.tell(List.of(notice("x\r\nBcc: eve@evil.example\r\n.\r\nQUIT\r\n\u00e4\u2028")));
      MimeMessage mail = parse(server.mails.get(0));
      assertThat(mail.getHeader("Bcc")).isNull();
      assertThat(mail.getSubject()).contains("x  Bcc: eve@evil.example").contains("\u00e4");
      assertThat((String) mail.getContent()).contains("Run one.");
      assertThat(server.commands).noneMatch(line -> line.contains("eve@"));
    }
  }

  @Test
  void withoutEncryptionNothingIsSent() throws IOException {
    try (FakeSmtp server = new FakeSmtp(Optional.empty());
        SmtpNotifier notifier = notifier(server, Map.of())) {
      assertThatThrownBy(() -> notifier.tell(List.of(notice("orders"))))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("localhost did not take the mail");
      assertThat(server.mails).isEmpty();
      assertThat(server.commands).noneMatch(line -> line.startsWith("MAIL"));
    }
  }

  @Test
  void aCertificateThatNobodyTrustsOrOfAnotherNameIsRefused() throws IOException {
    try (FakeSmtp server = new FakeSmtp(Optional.of(tls.server()))) {
      SmtpNotifier distrusting = SmtpNotifier.of(settings(server.port(), Map.of()), CLOCK);
      assertThatThrownBy(() -> distrusting.tell(List.of(notice("orders"))))
          .isInstanceOf(IOException.class);
      SmtpNotifier other = notifier(server, Map.of("host", "127.0.0.2"));
      assertThatThrownBy(() -> other.tell(List.of(notice("orders"))))
          .isInstanceOf(IOException.class);
      assertThat(server.mails).isEmpty();
    }
  }

  @Test
  void withoutTlsIsForThisHostAlone() throws IOException {
    try (FakeSmtp server = new FakeSmtp(Optional.empty());
        SmtpNotifier notifier = notifier(server, Map.of("tls", "none"))) {
      notifier.tell(List.of(notice("orders")));
      assertThat(server.mails).hasSize(1);
    }
    for (String host : List.of("mail.acme.example", "localhost.acme.example", "10.0.0.1", "::2")) {
      assertThatThrownBy(
              () -> SmtpNotifier.of(settings(25, Map.of("tls", "none", "host", host)), CLOCK))
          .isInstanceOf(BackupException.class)
          .hasMessage("notify mail.tls is none, and " + host + " is another host");
    }
  }

  @Test
  void anAnswerThatIsNoIsAFailureWithoutThePassword() throws IOException {
    try (FakeSmtp server = new FakeSmtp(Optional.of(tls.server()));
        SmtpNotifier notifier = notifier(server, Map.of("user", "thorbis", "password", PASSWORD))) {
      server.answerToData = "554 you said " + PASSWORD;
      assertThatThrownBy(() -> notifier.tell(List.of(notice("orders"))))
          .isInstanceOfSatisfying(
              IOException.class,
              e -> {
                assertThat(e)
                    .hasMessageStartingWith("localhost did not take the mail: ")
                    .hasNoCause();
                StringWriter trace = new StringWriter();
                e.printStackTrace(new PrintWriter(trace));
                assertThat(trace.toString()).doesNotContain(PASSWORD);
              });
    }
  }

  @Test
  void aServerThatSaysNothingDoesNotHoldItUp() throws IOException {
    try (ServerSocket silent = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      SmtpNotifier notifier =
          SmtpNotifier.of(settings(silent.getLocalPort(), Map.of("timeout", "200ms")), CLOCK);
      long before = System.nanoTime();
      assertThatThrownBy(() -> notifier.tell(List.of(notice("orders"))))
          .isInstanceOf(IOException.class);
      assertThat(Duration.ofNanos(System.nanoTime() - before)).isLessThan(Duration.ofSeconds(5));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "from, nobody, from",
    "from, 'a@b.example\r\nBcc: c@d.example', from",
    "to, 'a@b.example, c@d.example', to",
    "tls, ssl, tls",
    "user, thorbis, password"
  })
  void whatIsWrongIsSaidBeforeAnythingIsSent(String key, String value, String named) {
    assertThatThrownBy(() -> SmtpNotifier.of(settings(25, Map.of(key, value)), CLOCK))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("notify mail." + named);
    assertThatThrownBy(
            () ->
                SmtpNotifier.of(
                    settings(25, Map.of("tls", "none", "user", "u", "password", "p")), CLOCK))
        .hasMessageContaining("in clear");
  }

  @Test
  void itIsFoundByItsKind() {
    Notifiers.open(
            "smtp",
            settings(25, Map.of()),
            Path.of(""),
            CLOCK,
            ProviderLoader.serviceLoader(getClass().getClassLoader()))
        .close();
  }
}
