package com.thorbis.backup.application.platform;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.thorbis.backup.application.app.ApplyMode;
import com.thorbis.backup.application.app.ConfigurationPlace.Reading;
import com.thorbis.backup.application.app.Document;
import com.thorbis.backup.application.app.Gap;
import com.thorbis.backup.application.app.Step;
import com.thorbis.backup.spi.secret.SecretException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What may hold a secret is named and not kept, whatever a project calls it. */
class SupabaseConfigurationTest {
  private static final String MARKER = "planted-9Hx2";
  private final Map<String, String> parts = new LinkedHashMap<>();
  private final List<String> written = new ArrayList<>();
  private FakePlatform supabase;
  private SupabaseConfiguration place;

  @BeforeEach
  void open() throws IOException {
    supabase =
        new FakePlatform() {
          @Override
          Answer answer(Request request) {
            String part = request.path().replaceFirst("^/v1/projects/abc", "");
            if (!request.method().equals("GET")) {
              written.add(request.method() + " " + part + " " + request.body());
            }
            return parts.containsKey(part) ? Answer.of(200, parts.get(part)) : Answer.of(404, "{}");
          }
        };
    parts.put("", "{\"id\":\"abc\",\"name\":\"shop\",\"region\":\"eu\",\"status\":\"UP\"}");
    parts.put(
        "/config/auth",
        "{\"site_url\":\"https://shop.example\",\"jwt_exp\":3600,\"smtp_pass\":\""
            + MARKER
            + "\",\"external_google_secret\":\""
            + MARKER
            + "\",\"sms_twilio_auth_token\":\""
            + MARKER
            + "\",\"sms_test_otp\":\"4915200000="
            + MARKER
            + "\",\"hook_send_sms_uri\":\"https://u:"
            + MARKER
            + "@host.example\",\"password_min_length\":8,\"smtp_host\":null}");
    parts.put("/config/database/postgres", "{\"max_connections\":100,\"ratio\":0.50}");
    parts.put(
        "/config/database/pgbouncer",
        "{\"pool_mode\":\"transaction\",\"connection_string\":\"postgresql://" + MARKER + "\"}");
    parts.put("/config/storage", "{\"fileSizeLimit\":52428800}");
    parts.put("/postgrest", "{\"db_schema\":\"public\",\"jwt_secret\":\"" + MARKER + "\"}");
    parts.put("/network-restrictions", "{\"config\":{\"dbAllowedCidrs\":[\"192.0.2.0/24\"]}}");
    parts.put("/ssl-enforcement", "{\"currentConfig\":{\"database\":true}}");
    place = SupabaseConfiguration.of(supabase.connect().build(), "abc");
  }

  @AfterEach
  void close() {
    place.close();
    supabase.close();
  }

  @Test
  void everyPartIsReadAndEveryMaskedFieldIsNamed() throws IOException {
    Reading reading = place.read();
    assertThat(reading.document().toString())
        .doesNotContain(MARKER)
        .contains("\"ratio\":0.5}", "\"jwt_exp\":3600", "\"password_min_length\":8")
        .contains("192.0.2.0/24");
    assertThat(reading.unread()).extracting(Gap::code).containsOnly("application.masked");
    assertThat(reading.unread())
        .extracting(Gap::what)
        .containsExactlyInAnyOrder(
            "auth.external_google_secret",
            "auth.hook_send_sms_uri",
            "auth.sms_test_otp",
            "auth.sms_twilio_auth_token",
            "auth.smtp_pass",
            "pooler.connection_string",
            "rest.jwt_secret");
  }

  @Test
  void aPartThatIsHiddenIsAGapAndAProjectThatIsHiddenAFailure() throws IOException {
    parts.remove("/config/storage");
    assertThat(place.read().unread())
        .filteredOn(Gap::whole)
        .extracting(Gap::what, Gap::code)
        .containsExactly(
            org.assertj.core.groups.Tuple.tuple("storage", "application.no-such-place"));
    supabase.strike("GET", 403, Map.of(), 1);
    assertThatThrownBy(() -> place.read())
        .isInstanceOfSatisfying(
            SecretException.class, e -> assertThat(e.code()).isEqualTo(SecretException.FORBIDDEN));
    supabase.strike("GET", 429, Map.of("Retry-After", "1"), 1);
    assertThat(place.read().document().object("auth").fields()).isNotEmpty();
    assertThat(supabase.pauses).hasSize(1);
  }

  @Test
  void fieldsThatDifferAreChangedOnlyWhereThatWasAskedFor() throws IOException {
    Document stored = place.read().document();
    parts.put("/config/auth", "{\"site_url\":\"https://other.example\",\"jwt_exp\":3600}");
    parts.put("/ssl-enforcement", "{\"currentConfig\":{\"database\":false}}");
    for (Step step : place.plan(stored, ApplyMode.CREATE_MISSING)) {
      if (step.work().isPresent()) {
        step.work().get().run();
      }
    }
    assertThat(written).isEmpty();
    List<String> previous = new ArrayList<>();
    List<Step> steps = place.plan(stored, ApplyMode.OVERWRITE);
    assertThat(steps)
        .filteredOn(step -> step.subject().equals("ssl.currentConfig"))
        .extracting(Step::action)
        .containsExactly(Step.Action.BY_HAND);
    for (Step step : steps) {
      if (step.action() == Step.Action.UPDATE) {
        assertThat(step.previous()).isPresent();
        previous.add(step.previous().get());
        step.work().orElseThrow().run();
      }
    }
    assertThat(previous).containsExactlyInAnyOrder("\"https://other.example\"", "\"not set\"");
    assertThat(written)
        .containsExactlyInAnyOrder(
            "PATCH /config/auth {\"password_min_length\":8}",
            "PATCH /config/auth {\"site_url\":\"https://shop.example\"}");
  }
}
