package com.thorbis.backup.storage.gcs;

import com.google.api.client.googleapis.json.GoogleJsonError;
import com.google.api.client.http.ByteArrayContent;
import com.google.api.client.http.EmptyContent;
import com.google.api.client.http.GenericUrl;
import com.google.api.client.http.HttpContent;
import com.google.api.client.http.HttpHeaders;
import com.google.api.client.http.HttpMediaType;
import com.google.api.client.http.HttpRequest;
import com.google.api.client.http.HttpResponse;
import com.google.api.client.http.HttpResponseException;
import com.google.api.client.http.MultipartContent;
import com.google.api.client.http.json.JsonHttpContent;
import com.google.api.client.json.JsonFactory;
import com.google.api.client.json.gson.GsonFactory;
import com.google.api.client.util.escape.PercentEscaper;
import com.google.api.services.storage.Storage;
import com.google.api.services.storage.model.Objects;
import com.google.api.services.storage.model.StorageObject;
import com.thorbis.backup.spi.storage.StorageException;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Requests to one bucket. What the vendor's library builds is left to it; it neither ends an upload
 * without publishing it nor tells an object's facts with its content, so those are built here.
 */
final class Bucket {
  static final JsonFactory JSON = GsonFactory.getDefaultInstance();

  private static final String FACTS =
      "name,size,timeCreated,storageClass,generation,metageneration,metadata,crc32c,retention,"
          + "retentionExpirationTime";
  private static final String LISTED =
      "kind,nextPageToken,items(name,size,timeCreated,timeDeleted,storageClass,generation)";
  private static final PercentEscaper SEGMENT = new PercentEscaper("-._~");
  private static final HttpMediaType RELATED = new HttpMediaType("multipart/related");
  private static final String BYTES = "application/octet-stream";

  final Storage api;
  final String name;
  final Attempts attempts;
  final Failures failures;

  Bucket(Storage api, String name, Attempts attempts, Failures failures) {
    this.api = api;
    this.name = name;
    this.attempts = attempts;
    this.failures = failures;
  }

  /** The bucket's own facts. */
  com.google.api.services.storage.model.Bucket facts() throws IOException {
    return attempts.run(
        attempt ->
            api.buckets()
                .get(name)
                .setFields("softDeletePolicy,objectRetention,versioning")
                .execute());
  }

  /** Returns if the bucket is there and may be listed. */
  void look() throws IOException {
    list(api.objects().list(name).setMaxResults(1L).setFields("kind"));
  }

  /** An object's facts; empty if the bucket is there and has no such object. */
  Optional<StorageObject> find(String object) throws IOException {
    try {
      return Optional.of(facts(object));
    } catch (Answer e) {
      if (saysAbsent(e, object)) {
        return Optional.empty();
      }
      throw e;
    }
  }

  private StorageObject facts(String object) throws IOException {
    return attempts.run(
        attempt -> {
          StorageObject facts = api.objects().get(name, object).setFields(FACTS).execute();
          if (facts == null || facts.getSize() == null || facts.getTimeCreated() == null) {
            throw new IOException("The store answered with success and no object");
          }
          return facts;
        });
  }

  /** A page of a listing. One that does not say that it is one is no empty bucket. */
  Objects list(Storage.Objects.List request) throws IOException {
    return attempts.run(
        attempt -> {
          Objects page = request.execute();
          if (page == null || page.getKind() == null) {
            throw new IOException("The store answered with success and no listing");
          }
          return page;
        });
  }

  /** Removes an object. */
  void delete(String object) throws IOException {
    attempts.run(
        attempt -> {
          HttpResponse response = api.objects().delete(name, object).executeUnparsed();
          response.ignore();
          if (response.getStatusCode() != 204) {
            throw new IOException("The store did not say that it removed the object");
          }
          return true;
        });
  }

  /**
   * Whether an answer means that the object is not there. A missing bucket answers alike, and so
   * may what lies between: where the answer does not say what is missing, both are asked for.
   *
   * @throws StorageException if it is the bucket that is missing, or that cannot be told
   */
  boolean saysAbsent(Answer answer, String object) throws StorageException {
    if (answer.status() != 404) {
      return false;
    }
    if (!answer.namesTheObject()) {
      try {
        look();
      } catch (IOException e) {
        throw failures.translate("Look at", name, e);
      }
      try {
        facts(object);
        return false; // it is there after all
      } catch (Answer e) {
        if (e.status() != 404) {
          throw failures.translate("Look for", object, e);
        }
      } catch (IOException e) {
        throw failures.translate("Look for", object, e);
      }
    }
    return true;
  }

  Storage.Objects.List listing(String prefix, String from, int most) throws IOException {
    return api.objects()
        .list(name)
        .setPrefix(prefix)
        .setStartOffset(from)
        .setMaxResults((long) most)
        .setFields(LISTED);
  }

  Storage.Objects.Rewrite rewrite(StorageObject from, @Nullable StorageObject changed)
      throws IOException {
    Storage.Objects.Rewrite rewrite =
        api.objects().rewrite(name, from.getName(), name, from.getName(), changed);
    rewrite.setSourceGeneration(from.getGeneration());
    return rewrite;
  }

  /** Writes an object by one request. */
  StorageObject create(StorageObject object, byte[] content, int length) throws IOException {
    MultipartContent body =
        new MultipartContent()
            .setContentParts(
                List.of(
                    new JsonHttpContent(JSON, object),
                    new ByteArrayContent(BYTES, content, 0, length)));
    body.setMediaType(
        RELATED.setParameter("boundary", "__thorbis__" + object.getMetadata().hashCode()));
    HttpRequest request = request("POST", uploadUrl(object, "multipart"), body);
    return parse(execute(request));
  }

  /** Starts an upload in pieces and returns its address, which is a secret. */
  GenericUrl startSession(StorageObject object) throws IOException {
    HttpRequest request =
        request("POST", uploadUrl(object, "resumable"), new JsonHttpContent(JSON, object));
    request.getHeaders().set("X-Upload-Content-Type", BYTES);
    HttpResponse response = execute(request);
    try {
      String location = response.getHeaders().getLocation();
      if (location == null) {
        throw new IOException("The store began an upload and did not say where");
      }
      return new GenericUrl(location, true);
    } finally {
      response.ignore();
    }
  }

  /** What became of a piece: how many bytes the store has, or the object when all are there. */
  record Sent(long confirmed, @Nullable StorageObject object) {}

  /**
   * Sends a piece of an upload.
   *
   * @param range its {@code Content-Range}
   */
  Sent send(GenericUrl session, String range, byte[] content, int offset, int length)
      throws IOException {
    HttpContent body =
        length == 0 ? new EmptyContent() : new ByteArrayContent(BYTES, content, offset, length);
    HttpRequest request = request("PUT", session, body);
    request.getHeaders().setContentRange(range);
    request.setThrowExceptionOnExecuteError(false);
    HttpResponse response = request.execute();
    if (response.getStatusCode() != 308) {
      return new Sent(-1, parse(checked(response)));
    }
    try {
      String has = response.getHeaders().getRange();
      return new Sent(
          has == null ? 0 : Long.parseLong(has.substring(has.lastIndexOf('-') + 1)) + 1, null);
    } catch (NumberFormatException e) {
      throw new IOException("The store gave no range of what it has", e);
    } finally {
      response.ignore();
    }
  }

  /** Gives an upload up. */
  void cancel(GenericUrl session) throws IOException {
    HttpRequest request = request("DELETE", session, null);
    request.setThrowExceptionOnExecuteError(false);
    request.execute().ignore();
  }

  /**
   * Opens an object's content.
   *
   * @param generation which one; 0 for the one that is there
   * @param length as of a byte range; {@link Long#MAX_VALUE} for all
   */
  HttpResponse content(String object, long generation, long offset, long length)
      throws IOException {
    GenericUrl url =
        url(
            "download/"
                + api.getServicePath()
                + "b/"
                + SEGMENT.escape(name)
                + "/o/"
                + SEGMENT.escape(object));
    url.put("alt", "media");
    if (generation != 0) {
      url.put("generation", generation);
    }
    HttpRequest request = request("GET", url, null);
    if (offset > 0 || length != Long.MAX_VALUE) {
      long last = offset > Long.MAX_VALUE - length ? Long.MAX_VALUE : offset + length - 1;
      request.getHeaders().setRange("bytes=" + offset + "-" + (last == Long.MAX_VALUE ? "" : last));
    }
    return execute(request);
  }

  private GenericUrl uploadUrl(StorageObject object, String type) {
    GenericUrl url = url("upload/" + api.getServicePath() + "b/" + SEGMENT.escape(name) + "/o");
    url.put("uploadType", type);
    url.put("name", object.getName());
    url.put("ifGenerationMatch", 0);
    return url;
  }

  private GenericUrl url(String path) {
    return new GenericUrl(api.getRootUrl() + path, true);
  }

  private HttpRequest request(String method, GenericUrl url, @Nullable HttpContent content)
      throws IOException {
    HttpRequest request = api.getRequestFactory().buildRequest(method, url, content);
    HttpHeaders headers = request.getHeaders();
    headers.setAcceptEncoding(null); // content is to arrive as it is stored
    headers.setUserAgent(api.getApplicationName());
    request.setFollowRedirects(false); // to take a request elsewhere is not the store's decision
    request.setParser(api.getObjectParser());
    return request;
  }

  private static HttpResponse execute(HttpRequest request) throws IOException {
    request.setThrowExceptionOnExecuteError(false);
    return checked(request.execute());
  }

  private static HttpResponse checked(HttpResponse response) throws IOException {
    if (response.isSuccessStatusCode()) {
      return response;
    }
    try {
      throw answer(response);
    } finally {
      response.ignore();
    }
  }

  private static Answer answer(HttpResponse response) throws IOException {
    int status = response.getStatusCode();
    String content;
    try {
      content = response.parseAsString();
    } catch (IOException e) {
      content = ""; // the status is what counts
    }
    try {
      Wrapped wrapped = JSON.fromString(content, Wrapped.class);
      if (wrapped != null && wrapped.error != null) {
        return Answer.of(status, wrapped.error, response.getHeaders());
      }
    } catch (IOException | IllegalArgumentException e) {
      // not JSON: as it is
    }
    return Answer.of(status, response.getHeaders(), content);
  }

  private static StorageObject parse(HttpResponse response) throws IOException {
    try {
      StorageObject object = response.parseAs(StorageObject.class);
      if (object == null || object.getName() == null || object.getSize() == null) {
        throw new IOException("The store answered with success and no object");
      }
      return object;
    } catch (HttpResponseException e) {
      throw e;
    } catch (IllegalArgumentException e) {
      throw new IOException("The store's answer cannot be read", e);
    } finally {
      response.ignore();
    }
  }

  /** How an error comes. */
  public static final class Wrapped extends com.google.api.client.json.GenericJson {
    /** The error itself. */
    @com.google.api.client.util.Key public @Nullable GoogleJsonError error;
  }
}
