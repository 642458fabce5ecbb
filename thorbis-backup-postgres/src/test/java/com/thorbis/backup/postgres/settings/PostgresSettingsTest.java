package com.thorbis.backup.postgres.settings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.api.BackupException;
import com.thorbis.backup.postgres.settings.AuthenticationPolicy.Method;
import com.thorbis.backup.postgres.support.Sources;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PostgresSettingsTest {
  private static PostgresSettings of(String url, String... pairs) {
    return Sources.settings(Path.of("."), url, "backup", pairs);
  }

  @ParameterizedTest
  @CsvSource({
    "jdbc:postgresql://db1/orders, db1:5432, orders",
    "jdbc:postgresql://db1:6543/orders, db1:6543, orders",
    "jdbc:postgresql://[::1]:6543/orders, ::1:6543, orders",
    "jdbc:postgresql://[::1]/orders, ::1:5432, orders",
    "jdbc:postgresql:orders, localhost:5432, orders",
    "jdbc:postgresql:///orders, localhost:5432, orders",
    "jdbc:postgresql://db1/or%20ders, db1:5432, or ders",
    "jdbc:postgresql://%2Frun%2Fpg/orders, /run/pg/.s.PGSQL.5432, orders",
    "jdbc:postgresql:orders?host=/run/pg&port=6543, /run/pg/.s.PGSQL.6543, orders",
  })
  void readsAddresses(String url, String address, String database) {
    PostgresSettings settings = of(url);
    assertThat(settings.address()).hasToString(address);
    assertThat(settings.database()).contains(database);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "socketFactory=x",
        "sslfactory=x",
        "loggerFile=/etc/passwd",
        "loggerLevel=TRACE",
        "options=-c%20log_statement%3Dall",
        "authenticationPluginClassName=x",
        "password=secret",
        "sslpassword=secret",
        "currentSchema=evil",
        "sslMode=disable",
        "sslmode=of-course",
        "sslmode=require&sslmode=disable",
        "require_auth=gss",
        "channel_binding=maybe",
        "connect_timeout=-1",
        "sslnegotiation=direct&sslmode=prefer",
      })
  void refusesWhatItDoesNotKnowOrMustNotPassOn(String parameters) {
    assertThatThrownBy(() -> of("jdbc:postgresql://db1/orders?" + parameters))
        .isInstanceOfSatisfying(
            BackupException.class,
            e -> {
              assertThat(e.code()).isEqualTo("configuration.invalid");
              assertThat(e.getMessage()).contains("sources.orders.").doesNotContain("secret\"");
              assertThat(e.remedy()).isNotEmpty();
            });
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "jdbc:mysql://db1/orders",
        "postgresql://db1/orders",
        "jdbc:postgresql://db1,db2/orders",
        "jdbc:postgresql://user@db1/orders",
        "jdbc:postgresql://db1:0/orders",
        "jdbc:postgresql://db1:65536/orders",
        "jdbc:postgresql://db1:x/orders",
        "jdbc:postgresql://db1/%zz",
        "jdbc:postgresql://db1/a%00b",
        "jdbc:postgresql://a%00b/orders",
        "jdbc:postgresql://%20/orders",
      })
  void refusesUrlsThatNameNoOneServer(String url) {
    assertThatThrownBy(() -> of(url)).isInstanceOf(BackupException.class);
  }

  @Property(tries = 2000)
  void failsInOneWayOnly(@ForAll String rest) {
    try {
      assertThat(of("jdbc:postgresql:" + rest).address().port()).isPositive();
    } catch (BackupException e) {
      assertThat(e.code()).isEqualTo("configuration.invalid");
    }
  }

  @Test
  void suggestsWhatWasMeant() {
    assertThatThrownBy(() -> of("jdbc:postgresql://db1/orders?sslmod=require"))
        .isInstanceOfSatisfying(
            BackupException.class, e -> assertThat(e.remedy()).isEqualTo("Did you mean sslmode?"));
  }

  @Test
  void demandsMuchOfServersElsewhereAndLittleOfThoseHere() {
    PostgresSettings remote = of("jdbc:postgresql://192.0.2.1/orders");
    assertThat(remote.tls().mode()).isEqualTo(TlsSettings.Mode.VERIFY_FULL);
    assertThat(remote.authentication().accepted()).containsExactly(Method.SCRAM);
    PostgresSettings local = of("jdbc:postgresql://127.0.0.1/orders");
    assertThat(local.tls().mode()).isEqualTo(TlsSettings.Mode.PREFER);
    assertThat(local.authentication().accepted()).contains(Method.values());
    PostgresSettings loose =
        of(
            "jdbc:postgresql://192.0.2.1/orders",
            "allow-md5",
            "true",
            "allow-cleartext",
            "true",
            "tls",
            "require");
    assertThat(loose.authentication().accepted())
        .containsExactlyInAnyOrder(Method.SCRAM, Method.MD5, Method.PASSWORD);
    assertThat(loose.tls().mode()).isEqualTo(TlsSettings.Mode.REQUIRE);
    assertThat(
            of("jdbc:postgresql://db1/orders?require_auth=!password,!none")
                .authentication()
                .accepted())
        .containsExactlyInAnyOrder(Method.SCRAM, Method.MD5);
  }

  @Test
  void derivesASlotNameThatTheServerAccepts() {
    assertThat(of("jdbc:postgresql://db1/orders").slot()).isEqualTo("thorbis_orders");
    assertThatThrownBy(() -> of("jdbc:postgresql://db1/orders", "wal.slot", "No; DROP"))
        .isInstanceOf(BackupException.class);
  }

  @Test
  void changesAreFollowedBySlotOrByColumn() {
    assertThat(of("jdbc:postgresql://db1/orders").changes()).isEmpty();
    assertThat(of("jdbc:postgresql://db1/orders", "changes.mode", "slot").changes())
        .contains(new ChangesSettings.Slot("thorbis_orders_changes", "thorbis_orders_changes"));
    assertThat(of("jdbc:postgresql://db1/orders", "changes.mode", "column").changes())
        .contains(
            new ChangesSettings.Columns(
                List.of(), "xmin", Duration.ofHours(1), Duration.ofDays(7), false));
    assertThatThrownBy(() -> of("jdbc:postgresql://db1/orders", "changes.mode", "hope"))
        .isInstanceOf(BackupException.class)
        .hasMessageContaining("slot or column");
  }

  @Test
  void columnsAreChosenForTables() {
    ChangesSettings.Columns columns =
        (ChangesSettings.Columns)
            of(
                    "jdbc:postgresql://db1/orders",
                    "changes.mode",
                    "column",
                    "changes.columns",
                    "a.\"x=,y\" = \"c \"\" d\", log_*=at, b.*=xmin",
                    "changes.column",
                    "updated_at",
                    "changes.whole-every",
                    "1d",
                    "changes.column-margin",
                    "5m",
                    "changes.verify",
                    "true")
                .changes()
                .orElseThrow();
    assertThat(columns.chosen("a", "x=,y")).contains("c \" d");
    assertThat(columns.chosen("b", "log_1")).contains("at");
    assertThat(columns.chosen("b", "other")).contains("xmin");
    assertThat(columns.chosen("a", "other")).isEmpty();
    assertThat(columns.usual()).isEqualTo("updated_at");
    assertThat(columns.margin()).isEqualTo(Duration.ofMinutes(5));
    assertThat(columns.wholeEvery()).isEqualTo(Duration.ofDays(1));
    assertThat(columns.verify()).isTrue();
    for (String wrong : new String[] {"t", "t=", "=c", "t=a\"b", "\"t=c\""}) {
      assertThatThrownBy(
              () ->
                  of(
                      "jdbc:postgresql://db1/orders",
                      "changes.mode",
                      "column",
                      "changes.columns",
                      wrong))
          .as(wrong)
          .isInstanceOf(BackupException.class);
    }
  }
}
