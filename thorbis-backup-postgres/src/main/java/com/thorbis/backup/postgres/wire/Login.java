package com.thorbis.backup.postgres.wire;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.postgres.settings.AuthenticationPolicy.ChannelBinding;
import com.thorbis.backup.postgres.settings.AuthenticationPolicy.Method;
import com.thorbis.backup.postgres.settings.PostgresSettings;
import com.thorbis.backup.spi.SecretValue;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/** Proves who we are, in no other way than the settings accept. */
final class Login {
  private static final int PROTOCOL_3_0 = 3 << 16;
  private static final String PLAIN = "SCRAM-SHA-256";
  private static final String BOUND = "SCRAM-SHA-256-PLUS";
  private static final String BINDING_HEADER = "p=tls-server-end-point,,";
  private static final int MOST_MECHANISMS = 32;

  /** What is decoded is text, which another server has to read as the same values. */
  private static final List<String> VALUES_ALIKE_EVERYWHERE =
      List.of(
          "IntervalStyle", "postgres",
          "extra_float_digits", "1",
          "bytea_output", "hex",
          "xmlbinary", "base64",
          "lc_monetary", "C");

  private final PostgresSettings settings;
  private final Transport transport;
  private final MessageReader in;
  private final MessageWriter out;
  private final Optional<String> database;
  private boolean proven;
  private boolean bound;

  /**
   * One login.
   *
   * @param database the one whose changes are to be decoded; empty for a session of no database
   */
  Login(
      PostgresSettings settings,
      Transport transport,
      MessageReader in,
      MessageWriter out,
      Optional<String> database) {
    this.database = database;
    this.settings = settings;
    this.transport = transport;
    this.in = in;
    this.out = out;
  }

  /** Returns when the server is satisfied. */
  void run() throws IOException {
    out.sendUntyped(startup());
    while (true) {
      int type = in.next();
      switch (type) {
        case 'E' -> throw new ServerException(ServerMessage.read(in));
        case 'N', 'v' -> {
          // A notice, or word that it speaks an older minor version: 3.0 is what we asked for.
        }
        case 'R' -> {
          if (answer(in.readInt())) {
            return;
          }
        }
        default ->
            throw new ProtocolException(
                "message '" + MessageReader.printable(type) + "' instead of a login");
      }
    }
  }

  private byte[] startup() {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    body.writeBytes(ByteBuffer.allocate(4).putInt(PROTOCOL_3_0).array());
    List<String> words =
        new ArrayList<>(
            List.of(
                "user",
                settings.user(),
                "replication",
                database.isEmpty() ? "true" : "database",
                "application_name",
                settings.applicationName(),
                "client_encoding",
                "UTF8",
                "DateStyle",
                "ISO",
                "TimeZone",
                "UTC"));
    database.ifPresent(
        name -> {
          words.addAll(List.of("database", name));
          words.addAll(VALUES_ALIKE_EVERYWHERE);
        });
    words.forEach(text -> body.writeBytes(MessageWriter.terminated(text)));
    body.write(0);
    return body.toByteArray();
  }

  private boolean answer(int request) throws IOException {
    switch (request) {
      case 0 -> {
        if (!proven) {
          accept(Method.NONE);
        }
        return true;
      }
      case 3 -> {
        accept(Method.PASSWORD);
        sendSecret(password().useBytes(bytes -> Arrays.copyOf(bytes, bytes.length + 1)));
      }
      case 5 -> {
        accept(Method.MD5);
        byte[] salt = in.readBytes(4);
        sendSecret(password().useBytes(bytes -> md5(bytes, settings.user(), salt)));
      }
      case 10 -> {
        accept(Method.SCRAM);
        scram();
      }
      default ->
          throw refused("asks for a login of kind " + request + ", which is not supported here");
    }
    proven = true;
    return false;
  }

  private void sendSecret(byte[] secret) throws IOException {
    try {
      out.send('p', secret);
    } finally {
      Arrays.fill(secret, (byte) 0);
    }
  }

  private void scram() throws IOException {
    List<String> offered = new ArrayList<>();
    for (String name = in.readText(); !name.isEmpty(); name = in.readText()) {
      if (offered.size() >= MOST_MECHANISMS) {
        throw new ProtocolException("too many ways to log in");
      }
      offered.add(name);
    }
    ChannelBinding wanted = settings.authentication().channelBinding();
    Optional<byte[]> channel =
        wanted == ChannelBinding.DISABLE
            ? Optional.empty()
            : transport.certificate().flatMap(Scram::endPoint);
    bound = channel.isPresent() && offered.contains(BOUND);
    requireBinding();
    if (!bound && !offered.contains(PLAIN)) {
      throw refused("offers no way to log in that is supported here");
    }
    // "y" tells the server that we could have bound: if it could too, somebody has cut its offer.
    String header = bound ? BINDING_HEADER : channel.isPresent() ? "y,," : "n,,";
    byte[] random = new byte[18];
    new SecureRandom().nextBytes(random);
    Scram scram =
        new Scram(
            header,
            bound ? channel.orElseThrow() : new byte[0],
            Base64.getEncoder().encodeToString(random));

    byte[] mechanism = MessageWriter.terminated(bound ? BOUND : PLAIN);
    byte[] first = scram.first();
    out.send(
        'p',
        ByteBuffer.allocate(mechanism.length + 4 + first.length)
            .put(mechanism)
            .putInt(first.length)
            .put(first)
            .array());
    out.send('p', scram.answer(expect(11), password()));
    scram.verify(expect(12));
  }

  private byte[] expect(int request) throws IOException {
    while (true) {
      int type = in.next();
      if (type == 'E') {
        throw new ServerException(ServerMessage.read(in));
      }
      if (type == 'N') {
        continue;
      }
      if (type != 'R' || in.readInt() != request) {
        throw new ProtocolException("a break in the middle of SCRAM");
      }
      return in.readBytes(in.remaining());
    }
  }

  private void accept(Method method) {
    if (method != Method.SCRAM) {
      requireBinding();
    }
    if (settings.authentication().accepted().contains(method)) {
      return;
    }
    throw refused(
        switch (method) {
          case NONE -> "asks for no proof at all";
          case PASSWORD -> "asks for the password itself";
          case MD5 -> "asks for an MD5 hash of the password";
          case SCRAM -> "asks for SCRAM-SHA-256";
        });
  }

  private void requireBinding() {
    if (settings.authentication().channelBinding() == ChannelBinding.REQUIRE && !bound) {
      throw refused("does not bind the login to its TLS certificate, and that is required");
    }
  }

  private SecretValue password() {
    return settings
        .password()
        .orElseThrow(
            () ->
                BackupException.of(
                        "postgres.authentication",
                        FailureKind.CONFIGURATION,
                        settings.address()
                            + " asks for the password of role \""
                            + settings.user()
                            + "\" and none is configured")
                    .remedy("Set password: of the source, such as ${env:NAME}.")
                    .build());
  }

  private BackupException refused(String what) {
    return BackupException.of(
            "postgres.authentication-refused",
            FailureKind.REFUSED,
            settings.address() + " " + what + "; nothing was sent")
        .remedy(
            "Let the server use SCRAM-SHA-256 (password_encryption, pg_hba.conf) and TLS; or accept"
                + " less by name: allow-md5, allow-cleartext, or require_auth and channel_binding"
                + " in the URL.")
        .build();
  }

  private static byte[] md5(byte[] password, String user, byte[] salt) {
    try {
      MessageDigest md5 = MessageDigest.getInstance("MD5");
      md5.update(password);
      md5.update(user.getBytes(StandardCharsets.UTF_8));
      byte[] inner = HexFormat.of().formatHex(md5.digest()).getBytes(StandardCharsets.US_ASCII);
      md5.update(inner);
      md5.update(salt);
      return MessageWriter.terminated("md5" + HexFormat.of().formatHex(md5.digest()));
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("The Java runtime has no MD5", e);
    }
  }
}
