package com.thorbis.backup.dr.failover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.api.FailureKind;
import com.thorbis.backup.spi.SecretValue;
import com.thorbis.backup.spi.engine.SqlEngine;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Sessions are opened by an engine, each with a password of its own that is erased. */
class ConnectorTest {
  private static final String URL = "jdbc:postgresql://db1/postgres";

  private final List<SecretValue> lent = new ArrayList<>();
  private final List<List<Object>> asked = new ArrayList<>();

  private static <T> T proxy(Class<T> type, InvocationHandler handler) {
    return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler));
  }

  private Connector connector(InvocationHandler connects) {
    SqlEngine engine =
        proxy(
            SqlEngine.class,
            (self, method, arguments) -> {
              Optional<?> password = (Optional<?>) arguments[2];
              String text = ((SecretValue) password.orElseThrow()).useChars(String::new);
              asked.add(List.of(method.getName(), arguments[0], arguments[1], text));
              return connects.invoke(self, method, arguments);
            });
    return Connector.through(
        engine,
        URL,
        Optional.of("eva"),
        () -> {
          SecretValue secret = SecretValue.ofText("secret " + lent.size());
          lent.add(secret);
          return Optional.of(secret);
        });
  }

  private void assertErased() {
    assertThat(lent)
        .isNotEmpty()
        .allSatisfy(
            secret ->
                assertThat(secret.<String>useChars(String::new))
                    .isEqualTo("\0".repeat("secret 0".length())));
  }

  @Test
  void eachSessionAsksForThePasswordAndErasesIt() throws Exception {
    Connection session =
        proxy(
            Connection.class,
            (self, method, arguments) -> {
              throw new UnsupportedOperationException(method.getName());
            });
    Connector connector = connector((self, method, arguments) -> session);
    assertThat(connector.connect()).isSameAs(session);
    assertThat(connector.connect()).isSameAs(session);
    assertThat(asked)
        .containsExactly(
            List.of("connect", URL, Optional.of("eva"), "secret 0"),
            List.of("connect", URL, Optional.of("eva"), "secret 1"));
    assertErased();
  }

  @Test
  void whereNobodyIsLetInItIsErasedToo() {
    BackupException refused =
        BackupException.of("postgres.refused", FailureKind.PERMANENT, "nobody").build();
    Connector connector =
        connector(
            (self, method, arguments) -> {
              throw refused;
            });
    assertThatThrownBy(connector::connect).isSameAs(refused);
    assertErased();
  }
}
