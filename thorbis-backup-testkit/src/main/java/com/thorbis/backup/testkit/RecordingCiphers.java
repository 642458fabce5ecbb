package com.thorbis.backup.testkit;

import java.security.AlgorithmParameters;
import java.security.GeneralSecurityException;
import java.security.InvalidAlgorithmParameterException;
import java.security.InvalidKeyException;
import java.security.Key;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.Provider;
import java.security.SecureRandom;
import java.security.Security;
import java.security.spec.AlgorithmParameterSpec;
import java.util.HexFormat;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import javax.crypto.BadPaddingException;
import javax.crypto.Cipher;
import javax.crypto.CipherSpi;
import javax.crypto.IllegalBlockSizeException;
import javax.crypto.ShortBufferException;
import javax.crypto.spec.GCMParameterSpec;
import org.jspecify.annotations.Nullable;

/**
 * Takes the place of the platform's AES in Galois/Counter Mode and writes down, as a digest, each
 * key and nonce that something is sealed with: one that comes twice would give the plaintext away
 * (NIST SP 800-38D, 8). Of the whole process; closing it puts the platform's own back.
 */
public final class RecordingCiphers implements AutoCloseable {
  private static final String PLATFORM = "SunJCE";
  private static final String ALGORITHM = "AES/GCM/NoPadding";

  private final Provider platform;
  private final int position;
  private final Set<String> seen = ConcurrentHashMap.newKeySet();
  private final AtomicLong sealings = new AtomicLong();
  private final AtomicLong repeated = new AtomicLong();

  private RecordingCiphers(Provider platform, int position) {
    this.platform = platform;
    this.position = position;
  }

  /** Begins to record. */
  public static RecordingCiphers install() {
    Provider platform = Security.getProvider(PLATFORM);
    if (platform == null) {
      throw new IllegalStateException("This Java runtime has no provider " + PLATFORM);
    }
    Provider[] all = Security.getProviders();
    int position = 1;
    while (!all[position - 1].getName().equals(PLATFORM)) {
      position++;
    }
    RecordingCiphers recording = new RecordingCiphers(platform, position);
    Security.removeProvider(PLATFORM);
    Security.insertProviderAt(recording.new Recorder(), position);
    return recording;
  }

  /** How often something was sealed. */
  public long sealings() {
    return sealings.get();
  }

  /** How often a key met a nonce that it had met before. */
  public long repeated() {
    return repeated.get();
  }

  @Override
  public void close() {
    Security.removeProvider(PLATFORM);
    Security.insertProviderAt(platform, position);
  }

  private void record(Key key, byte[] nonce) {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
    digest.update(key.getEncoded());
    digest.update(nonce);
    sealings.incrementAndGet();
    if (!seen.add(HexFormat.of().formatHex(digest.digest()))) {
      repeated.incrementAndGet();
    }
  }

  private final class Recorder extends Provider {
    private static final long serialVersionUID = 1L;

    Recorder() {
      super(PLATFORM, platform.getVersionStr(), "Records what is sealed");
    }

    @Override
    public @Nullable Service getService(String type, String algorithm) {
      return type.equals("Cipher") && algorithm.equals(ALGORITHM)
          ? new Gcm(this)
          : platform.getService(type, algorithm);
    }

    @Override
    public Set<Service> getServices() {
      return platform.getServices();
    }
  }

  private final class Gcm extends Provider.Service {
    Gcm(Provider of) {
      super(of, "Cipher", ALGORITHM, Spi.class.getName(), null, null);
    }

    @Override
    public Object newInstance(@Nullable Object parameter) throws NoSuchAlgorithmException {
      try {
        return new Spi(Cipher.getInstance(ALGORITHM, platform));
      } catch (GeneralSecurityException e) {
        throw new NoSuchAlgorithmException(e);
      }
    }
  }

  private final class Spi extends CipherSpi {
    private final Cipher cipher;

    Spi(Cipher cipher) {
      this.cipher = cipher;
    }

    @Override
    protected void engineSetMode(String mode) {
      throw new UnsupportedOperationException();
    }

    @Override
    protected void engineSetPadding(String padding) {
      throw new UnsupportedOperationException();
    }

    @Override
    protected int engineGetBlockSize() {
      return cipher.getBlockSize();
    }

    @Override
    protected int engineGetOutputSize(int inputLength) {
      return cipher.getOutputSize(inputLength);
    }

    @Override
    protected byte[] engineGetIV() {
      return cipher.getIV();
    }

    @Override
    protected AlgorithmParameters engineGetParameters() {
      return cipher.getParameters();
    }

    @Override
    protected void engineInit(int mode, Key key, SecureRandom random) throws InvalidKeyException {
      cipher.init(mode, key, random);
      if (mode == Cipher.ENCRYPT_MODE) {
        record(key, cipher.getIV());
      }
    }

    @Override
    protected void engineInit(
        int mode, Key key, AlgorithmParameterSpec parameters, SecureRandom random)
        throws InvalidKeyException, InvalidAlgorithmParameterException {
      cipher.init(mode, key, parameters, random);
      if (mode == Cipher.ENCRYPT_MODE) {
        record(key, ((GCMParameterSpec) parameters).getIV());
      }
    }

    @Override
    protected void engineInit(
        int mode, Key key, AlgorithmParameters parameters, SecureRandom random)
        throws InvalidKeyException, InvalidAlgorithmParameterException {
      cipher.init(mode, key, parameters, random);
      if (mode == Cipher.ENCRYPT_MODE) {
        record(key, cipher.getIV());
      }
    }

    @Override
    protected byte[] engineUpdate(byte[] input, int offset, int length) {
      return cipher.update(input, offset, length);
    }

    @Override
    protected int engineUpdate(
        byte[] input, int offset, int length, byte[] output, int outputOffset)
        throws ShortBufferException {
      return cipher.update(input, offset, length, output, outputOffset);
    }

    @Override
    protected void engineUpdateAAD(byte[] bytes, int offset, int length) {
      cipher.updateAAD(bytes, offset, length);
    }

    @Override
    protected byte[] engineDoFinal(byte[] input, int offset, int length)
        throws IllegalBlockSizeException, BadPaddingException {
      return cipher.doFinal(input, offset, length);
    }

    @Override
    protected int engineDoFinal(
        byte[] input, int offset, int length, byte[] output, int outputOffset)
        throws ShortBufferException, IllegalBlockSizeException, BadPaddingException {
      return cipher.doFinal(input, offset, length, output, outputOffset);
    }
  }
}
